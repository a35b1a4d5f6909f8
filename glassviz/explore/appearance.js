// Dark or light: as was last chosen in this browser; where nothing was, as the system is, also when that changes. The
// cookie tells the server before the next page is drawn.

const system = matchMedia("(prefers-color-scheme: dark)")
const page = Bokeh.documents.flatMap((document) => document.roots()).find(({data}) => data?.dark_theme !== undefined).data
let chosen = /glassviz-theme=chosen/.test(document.cookie)

function keep() {
  const theme = `${chosen ? "chosen" : "system"}-${page.dark_theme ? "dark" : "light"}`
  document.cookie = `glassviz-theme=${theme}; max-age=31536000; path=/; SameSite=Lax`
}

function follow() {
  if (!chosen) { page.dark_theme = system.matches }
  keep()
}

page.properties.dark_theme.change.connect(() => {
  chosen ||= page.dark_theme !== system.matches
  keep()
})
system.addEventListener("change", follow)
follow()
