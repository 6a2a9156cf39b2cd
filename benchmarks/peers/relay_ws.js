// A relay on Node's `ws`: one subscription a session for all its clients, payloads passed on unchanged.
import { createRequire } from 'node:module'

const require = createRequire(process.env.PEERS)
const { Redis } = require('ioredis')
const { WebSocketServer } = require('ws')

const redis = new Redis(process.env.REDIS_URL)
const subscriber = redis.duplicate()
const clients = new Map()
const confirmed = new Map()
const options = { port: process.env.PORT, host: '127.0.0.1', perMessageDeflate: false, backlog: 512 }
const server = new WebSocketServer(options)

subscriber.on('messageBuffer', (channel, chunk) => {
  for (const socket of clients.get(channel.toString()) ?? []) socket.send(chunk, { binary: false })
})

server.on('connection', async (socket, request) => {
  const session = new URL(request.url, 'ws://host').pathname.split('/').pop()
  const channel = `chat:stream:${session}`
  if (!clients.has(channel)) {
    clients.set(channel, new Set())
    confirmed.set(channel, subscriber.subscribe(channel))
  }
  clients.get(channel).add(socket)
  socket.on('close', () => clients.get(channel).delete(socket))
  await confirmed.get(channel)
  const history = await redis.lrange(`chat:history:${session}`, 0, -1)
  socket.send(`{"type":"history","messages":[${history.join(',')}]}`)
})
