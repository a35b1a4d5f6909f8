// What the browser does once its connection is lost (`connection`, after as many milliseconds as `timeout` tries anew, not
// at all where null): the session is taken up where the server has got to; where it is gone, the page is opened anew at
// its address, which names the state.
//
// Bokeh 3.9 by itself takes the first words of a new connection for the rest of a message that the lost one broke off,
// cannot read a document with binary columns a second time, and gives up five minutes after the page was opened.

const quietly = {sync: false}
const pause = (duration) => new Promise((resolve) => setTimeout(resolve, duration))

// What a document, as the server writes it, says of a model.
function written(json, id) {
  if (json === null || typeof json !== "object") { return undefined }
  if (json.id === id && json.attributes !== undefined) { return json.attributes }
  for (const part of Object.values(json)) {
    const attributes = written(part, id)
    if (attributes !== undefined) { return attributes }
  }
}

// Open the page anew, as soon as the server can be reached.
async function reopen() {
  const reachable = () => fetch("static/js/bokeh.min.js", {method: "HEAD", cache: "no-store"}).then(({ok}) => ok, () => false)
  while (!await reachable()) { await pause(2000) }
  location.reload()
}

// Bring every model to what the server knows; the level is the browser's own.
async function takeUp(resolve, reject) {
  try {
    const {doc_json, buffers} = await connection._pull_doc_json()
    const server = written(doc_json, scrub.id)
    if (server?.session !== scrub.session) { reopen(); return }
    const {level, playing} = scrub
    delete server.level
    const everything = {kind: "MessageSent", msg_type: "resumed", msg_data: doc_json.roots}
    connection.session.document.apply_json_patch({events: [everything]}, buffers)
    if (playing) { scrub.setv({level}, quietly) }
    scrub.properties.level.change.emit()
    resolve(connection.session)
  } catch (error) { reject(error); reopen() }
}

function expired() {
  const [payload] = connection.token.split(".")
  return Date.now() / 1000 > JSON.parse(atob(payload.replace(/_/g, "/").replace(/-/g, "+"))).session_expiry
}

connection._receiver = new connection._receiver.constructor()
connection._repull_session_doc = takeUp
if (timeout === null || expired()) { reopen() }
