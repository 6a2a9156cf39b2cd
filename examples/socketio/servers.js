// Two servers behind a proxy that takes them in turn:   node servers.js wrong.js
import { fork } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'

const start = () =>
  new Promise((resolve) => {
    const server = fork(process.argv[2], { env: { ...process.env, PORT: 0 } })
    server.on('message', resolve).on('exit', () => process.exit(1))
  })
const ports = await Promise.all([start(), start()])
let turn = 0

createServer((client) => {
  pipeline(client, connect(ports[turn++ % 2], '127.0.0.1'), client, () => {})
}).listen(process.env.PORT ?? 8000, '127.0.0.1')
