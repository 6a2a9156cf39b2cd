// What Artillery calls for each virtual user: check the chunks, and at the end write down what it cost.
const { writeFileSync } = require('node:fs')

const cpu = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b)
const users = Number(process.env.USERS)
const total = users * Number(process.env.CHUNKS)
const seen = { came: 0, left: 0, chunks: 0 }
let [first, all] = [null, null]

function check(context, events, done) {
  first ??= { cpu: cpu(), base_mib: process.memoryUsage.rss() / 2 ** 20 }
  let next = 1
  context.ws.onmessage = ({ data }) => {
    const frame = JSON.parse(data)
    events.emit('counter', 'websocket.messages_received', 1)
    if (frame.type !== 'chunk') return
    if (frame.seq < next) throw new Error(`chunk ${frame.seq} for ${next}`)
    next = frame.seq + 1 // the first ones may have come before this function was called
    seen.chunks += 1
  }
  context.ws.on('close', () => {
    seen.left += 1
    if (seen.left === users) finish()
    done()
  })
  seen.came += 1
  if (seen.came === users) all = { cpu: cpu(), chunks: seen.chunks }
}

function finish() {
  const found = {
    message_us: total && (cpu() - all.cpu) / (seen.chunks - all.chunks),
    connection_ms: (cpu() - first.cpu) / 1e3 / users,
    base_mib: first.base_mib,
  }
  writeFileSync(process.env.FOUND, JSON.stringify(found))
  process.kill(process.pid, 'SIGKILL') // its own end takes ten seconds more
}

module.exports = { check }
