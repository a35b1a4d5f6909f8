// What runs in the browser: recolouring the snapshot, scrubbing and playing, and everything that must follow each frame.
// Bokeh hands in `task`, the object that changed (`cb_obj`) and the models each task names.
//
// `scrub` (page.Scrub) is the browser's own time: `level` moves with every frame and never travels; `settled` is what the
// server is asked for, and only once `answered` says that it has dealt with the last one, so nothing ever queues.

const quietly = {sync: false}
const unknown = 255 // the code of a particle without a prediction; 0 … 254 are C_B = 0 … 1
const grey = 0xbfb8b4 // what is not coloured

// Index of the level below `level` in the falling list `levels`, and the fraction of the way to the next one.
function between(levels, level) {
  let k = 0
  while (k < levels.length - 2 && level < levels[k + 1]) { k++ }
  const fraction = (levels[k] - level) / (levels[k] - levels[k + 1])
  return [k, Math.min(Math.max(fraction, 0), 1)]
}

// `raster.image` arrives as (alpha << 24 | particle) and leaves as a coloured image in the same memory; what arrived is
// kept aside.
function paint({raster, frames, scrub, palette}) {
  const image = raster.data.image[0]
  const codes = frames.data.codes[0]
  if (image === undefined) { return }
  if (raster.painted !== image) {
    raster.painted = image
    raster.packed = Uint32Array.from(image)
  }
  const [level, n] = frames.data.codes.length ? codes.shape : [0, 0]
  if (frames.colours === undefined || frames.colours.length !== n) { frames.colours = new Uint32Array(n) }
  const colours = frames.colours, coded = palette.data.colours
  if (level > 0) {
    const [k, fraction] = between(frames.data.levels[0], scrub.level)
    const low = k * n, high = low + n
    for (let i = 0; i < n; i++) {
      const a = codes[low + i]
      const code = a === unknown ? unknown : (a + fraction * (codes[high + i] - a) + 0.5) | 0
      colours[i] = coded[code] & 0xffffff
    }
  }
  const packed = raster.packed
  for (let p = 0; p < packed.length; p++) {
    const entry = packed[p]
    const alpha = entry & 0xff000000
    image[p] = alpha === 0 ? 0 : alpha | (level > 0 ? colours[entry & 0xffffff] : grey)
  }
  raster.level = scrub.level // that the picture now shows
  raster.change.emit()
}

const alike = (a, b) => a.length === b.length && a.every((value, k) => value === b[k])

// Ask for a sharp picture of what the ranges show, once the last one that was asked for has come (or seems lost).
function look({seen, x, y}) {
  seen.soon ??= requestAnimationFrame(() => {
    seen.soon = undefined
    const shown = [x.start, x.end, y.start, y.end]
    const waiting = !alike(seen.wanted, seen.drawn) && performance.now() - seen.since < 2000
    if (!waiting && !alike(shown, seen.drawn)) { seen.since = performance.now(); seen.wanted = shown }
  })
}

// The particle whose disc covers the point (x, y) (σ) of the snapshot, −1 where there is none.
function particleAt(raster, x, y) {
  const {x: [x0], y: [y0], dw: [dw], dh: [dh], image: [image]} = raster.data
  if (image === undefined || raster.packed === undefined) { return -1 }
  const [rows, columns] = image.shape
  const column = Math.floor((x - x0) / dw * columns), row = Math.floor((y - y0) / dh * rows)
  if (column < 0 || column >= columns || row < 0 || row >= rows) { return -1 }
  const entry = raster.packed[row * columns + column]
  return entry === 0 ? -1 : entry & 0xffffff
}

// Propensity of a particle at the present level; NaN where there is none yet, undefined for a species without networks.
function propensityOf(particle, frames, level) {
  const codes = frames.data.codes[0]
  if (codes === undefined) { return NaN }
  const [, n] = codes.shape
  const [k, fraction] = between(frames.data.levels[0], level)
  const a = codes[k * n + particle], b = codes[(k + 1) * n + particle]
  return a === unknown ? undefined : (a + fraction * (b - a)) / (unknown - 1)
}

// What the tooltip says of the particle under the pointer, one piece for each `format`; `kinds` has the species of every
// particle, `headlines` by name the values it is described by.
function hover({raster, frames, kinds, headlines, scrub, format, at}) {
  const particle = particleAt(raster, at.x, at.y)
  if (particle < 0) { return "–" }
  if (format === "particle") { return String(particle) }
  if (format === "species") { return String(1 + kinds.data.species[particle]) }
  if (format === "propensity") {
    const value = propensityOf(particle, frames, scrub.level)
    return value === undefined ? "no network for this species" : Number.isNaN(value) ? "–" : value.toFixed(2)
  }
  const values = headlines.data[format]
  if (!values?.length) { return "–" }
  const {mean, deviation} = among(kinds, headlines, format)[kinds.data.species[particle]]
  const z = (values[particle] - mean) / deviation
  return `${signed(values[particle])} (${z < 0 ? "−" : "+"}${Math.abs(z).toFixed(1)} s.d.)`
}

// Mean and standard deviation of a column of `headlines` for each species, computed once.
function among(kinds, headlines, name) {
  const values = headlines.data[name], species = kinds.data.species
  headlines.moments ??= {}
  if (headlines.moments[name]?.values !== values) {
    const sums = [0, 1, 2].map(() => [0, 0, 0])
    for (let i = 0; i < values.length; i++) {
      const sum = sums[species[i]]
      sum[0]++; sum[1] += values[i]; sum[2] += values[i] ** 2
    }
    headlines.moments[name] = Object.assign(sums.map(([n, sum, square]) => (
      {mean: sum / n, deviation: Math.sqrt(Math.max(square / n - (sum / n) ** 2, 0))})), {values})
  }
  return headlines.moments[name]
}

// Interpolate along the levels.
function along(levels, values, level) {
  const [k, fraction] = between(levels, level)
  return values[k] + fraction * (values[k + 1] - values[k])
}

// The time of a level: ln t is interpolated in y = ln(−ln ⟨C̄_B⟩), in which stretched exponentials are straight.
function timeAt(levels, times, level) {
  const y = (c) => Math.log(-Math.log(Math.min(Math.max(c, 1e-3), 1 - 1e-4)))
  const [k] = between(levels, level)
  const fraction = Math.min(Math.max((y(level) - y(levels[k])) / (y(levels[k + 1]) - y(levels[k])), 0), 1)
  return Math.exp(Math.log(times[k]) * (1 - fraction) + Math.log(times[k + 1]) * fraction)
}

const superscripts = {"-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹"}

function scientific(value) {
  if (value >= 0.01 && value < 1000) { return String(Number(value.toPrecision(2))) }
  const [digits, exponent] = value.toExponential(1).split("e")
  return `${digits}·10${[...String(Number(exponent))].map((c) => superscripts[c]).join("")}`
}

// A number with two decimals and a true minus sign.
function signed(value) {
  return `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`
}

// The time that the level stands for, as text.
function read({clock, scrub, readout}) {
  const {levels, times, simulated} = clock.data
  let time = ""
  if (levels.length > 1) {
    const [k, fraction] = between(levels, scrub.level)
    const kind = simulated[fraction > 0 ? k + 1 : k] ? "simulated" : "extrapolated"
    const value = scientific(timeAt(levels, times, scrub.level))
    time = `<span class="time"><i>t</i> ≈ ${value} σ(<i>m</i>/ε)<sup>½</sup></span><span class="kind ${kind}">${kind}</span>`
  }
  write(readout, '<div class="line"><span class="name">Mean propensity ⟨<i>C̄</i><sub>B</sub>⟩</span>' +
    `<span class="time">${scrub.level.toFixed(2)}</span>${time}</div>`)
}

// Put text into a Div. Bokeh would lay out the whole page anew for it, so the visible text is changed directly.
function write(div, text) {
  const view = Bokeh.index.find_one_by_id(div.id)
  const place = view?.el?.shadowRoot?.querySelector(".bk-clearfix")
  div.setv({text}, {sync: false, silent: Boolean(place)})
  if (place) { place.innerHTML = text }
}

// Do something for an object now, or at the end of `pause` ms since the last time; never twice in between.
function sparingly(object, pause, action) {
  const wait = (object.lately ?? -Infinity) + pause - performance.now()
  const act = () => { object.waiting = undefined; object.lately = performance.now(); action() }
  if (wait <= 0) { act() } else { object.waiting ??= setTimeout(act, wait) }
}

// The marker of the current state on a curve. It repaints its whole figure, so it moves a few times a second.
function mark({curve, marker, scrub}) {
  sparingly(marker, 200, () => {
    const {levels, times, values} = curve.data
    const known = levels.length > 1
    const level = Math.min(scrub.level, levels[0])
    const y = known ? along(levels, values, level) : NaN
    const x = known ? timeAt(levels, times, level) : NaN
    marker.setv({data: Number.isFinite(y) && Number.isFinite(x) ? {x: [x], y: [y]} : {x: [], y: []}}, quietly)
  })
}

// Ask the server for the present level if it has answered the last question, a few times a second at most.
function follow({scrub}) {
  sparingly(scrub, scrub.playing ? 500 : 200, () => {
    if (scrub.settled === scrub.answered && Math.abs(scrub.level - scrub.settled) > 1e-9) { scrub.settled = scrub.level }
  })
}

// The slider moved; `levels` are its stops.
function drag({scrub, slider, stops}) {
  const level = stops[slider.value]
  if (scrub.playing && Math.abs(level - scrub.level) <= 0.0051) { return } // the player moved it
  scrub.setv({level}, quietly)
  follow({scrub})
}

// Let the server know where the player has moved the slider.
function tell(slider) {
  const value = slider.value
  slider.setv({value: value > 0 ? value - 1 : 1}, {silent: true, ...quietly})
  slider.setv({value})
}

// Move the level with the clock while `playing`, from 0.99 to 0.05, and again if it loops.
function play({scrub, slider, button, stops}) {
  if (!scrub.playing) { tell(slider); follow({scrub}); return }
  let before = performance.now()
  const step = (now) => {
    if (!scrub.playing) { return }
    const first = stops[0], last = stops[stops.length - 1]
    let level = scrub.level - scrub.speed * Math.min(now - before, 200) / 1000
    before = now
    if (level < last) {
      level = scrub.loop ? first : last
      if (!scrub.loop) { button.value = false }
    }
    scrub.setv({level}, quietly)
    let nearest = Math.round((first - level) / (first - last) * (stops.length - 1))
    if (slider.value !== nearest) { slider.setv({value: nearest}, quietly) }
    follow({scrub})
    requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
}

// Whether a key belongs to what has the focus: a text, a menu, a slider that moves by itself, a dialog, a button.
function taken(event) {
  const path = event.composedPath().filter((e) => e instanceof Element)
  const within = (selector) => path.some((e) => e.matches(selector))
  if (within("textarea, select, [contenteditable], [role=combobox], [role=listbox], [role=menu], [role=dialog]")) { return true }
  if (path[0]?.matches("input")) { return path[0].type !== "range" || event.key.startsWith("Arrow") }
  if (path[0]?.matches("[role=tab]")) { return event.key.startsWith("Arrow") }
  return event.key === " " && within("button, a, summary")
}

// Listen to the keyboard: full screen and large type happen here, everything else is told to the server.
function keys({pressed}) {
  if (window.glassvizKeys !== undefined) { return }
  window.glassvizKeys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || taken(event)) { return }
    if (!pressed.names.includes(event.key)) { return }
    event.preventDefault()
    if (event.key === "f") {
      if (document.fullscreenElement) { document.exitFullscreen() } else { document.documentElement.requestFullscreen() }
    } else { pressed.last = `${event.key} ${pressed.last.length % 7}${performance.now()}` }
  }
  document.addEventListener("keydown", window.glassvizKeys)
}

// What has the focus, in whatever shadow tree.
function focused() {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) { element = element.shadowRoot.activeElement }
  return element
}

// A dialog that closes gives the focus back to what had it before.
function refocus({dialog}) {
  if (dialog.open) { dialog.before = focused(); return }
  setTimeout(() => { if (focused() === document.body) { dialog.before?.focus() } }, 400) // once it has faded away
}

// The address bar names the state without a new entry in the history; opening with complaints keeps what was typed.
function address({link}) { history.replaceState(history.state, "", link.query) }

// Put text on the clipboard, by the old way where the page is not served securely, and say so on the button.
function copy({button, text}) {
  const said = button.label
  const say = () => { button.label = "Copied"; setTimeout(() => { button.label = said }, 1500) }
  if (said === "Copied") { return }
  if (navigator.clipboard !== undefined) { navigator.clipboard.writeText(text).then(say); return }
  const area = Object.assign(document.createElement("textarea"), {value: text})
  document.body.append(area)
  area.select()
  document.execCommand("copy")
  area.remove()
  say()
}

// Download a figure as it is on the screen; `figure.value` is its id.
async function save({figure, kind}) {
  let view = null
  for (let tries = 0; tries < 50 && !view; tries++) { // the id may still be on its way from the server
    view = Bokeh.index.find_one_by_id(figure.value)
    if (!view) { await new Promise((resolve) => setTimeout(resolve, 100)) }
  }
  if (!view) { return }
  const blob = await view.export(kind).to_blob()
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: `glassviz.${kind}`})
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

const sizes = ["axis_label_text_font_size", "major_label_text_font_size", "label_text_font_size", "text_font_size"]

// Letters of a model in a figure `factor` times as large as they are written.
function enlarge(model, factor) {
  for (const name of sizes) {
    if (model[name] === undefined) { continue }
    model.written ??= {}
    const [, size, unit] = /^([.\d]+)(.+)$/.exec(model.written[name] ??= model[name])
    model.setv({[name]: `${factor * size}${unit}`}, quietly)
  }
}

// Large type: every size on the page follows --type, those inside figures are set here, also in figures to come.
function type({large}) {
  window.glassvizType = large ? 1.4 : 1
  document.documentElement.style.setProperty("--type", String(window.glassvizType))
  const resize = () => {
    for (const model of Bokeh.documents[0]._all_models.values()) { enlarge(model, window.glassvizType) }
  }
  resize()
  window.glassvizResize ??= setInterval(() => { if (window.glassvizType !== 1) { resize() } }, 1000)
}

// On a phone the foot of the screen is covered by the tour's card: bring what stands under the tabs to its top.
function uncover({tabs}) {
  if (matchMedia("(max-width: 640px)").matches) { Bokeh.index.find_one(tabs)?.el.scrollIntoView({behavior: "smooth"}) }
}

const tasks = {paint, look, hover, read, mark, follow, drag, play, keys, refocus, address, copy, save, type, uncover}
return tasks[task](models)
