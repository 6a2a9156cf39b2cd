// A load-test client on Node's `ws`: each chunk parsed and checked for gaps.   node load_ws.js PORT PLAN
import { createRequire } from 'node:module'

const require = createRequire(process.env.PEERS)
const { WebSocket } = require('ws')
const [port, plan] = [process.argv[2], JSON.parse(process.argv[3])]
const address = `ws://127.0.0.1:${port}`
const options = { perMessageDeflate: false }
const cpu = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b)
const mib = () => process.memoryUsage.rss() / 2 ** 20

const read = (url) =>
  new Promise((resolve, reject) => {
    let next = 1
    const socket = new WebSocket(url, options)
    socket.on('message', (data) => {
      const frame = JSON.parse(data)
      if (frame.type !== 'chunk') return
      if (frame.seq !== next) reject(new Error(`chunk ${frame.seq} for ${next}`))
      next += 1
    })
    socket.on('close', () => resolve(next - 1)).on('error', reject)
  })
const opened = (url) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options)
    socket.on('open', () => resolve(socket)).on('error', reject)
  })

await read(`${address}/100/20/0`)
const base_mib = mib()
const idle = []
for (let n = 0; n < plan.idle; n++) idle.push(await opened(`${address}/1/1/600`))
const idle_kib = (2 ** 10 * (mib() - base_mib)) / plan.idle
for (const socket of idle) socket.terminate()
let began = cpu()
const url = `${address}/${plan.trickle_chunks}/1/${plan.trickle_interval_s}`
const counts = await Promise.all(Array.from({ length: plan.trickle_connections }, () => read(url)))
const trickle = cpu() - began
if (counts.some((count) => count !== plan.trickle_chunks)) throw new Error(`${counts}`)
began = cpu()
await read(`${address}/${plan.burst_chunks}/${plan.burst_size}/0`)
const burst = cpu() - began
began = cpu()
for (let n = 0; n < plan.connects; n++) await read(`${address}/0/1/0`)
const connect = cpu() - began
const found = {
  trickle_us: trickle / (plan.trickle_connections * plan.trickle_chunks),
  burst_us: burst / plan.burst_chunks,
  connect_ms: connect / 1e3 / plan.connects,
  base_mib,
  idle_kib,
}
console.log(JSON.stringify(found))
process.exit()
