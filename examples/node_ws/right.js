// One subscriber for all clients. For each: subscribe, wait for it, hold what comes, read, merge.
import Redis from 'ioredis'
import { WebSocketServer } from 'ws'

const redis = new Redis(process.env.REDIS_URL)
const subscriber = redis.duplicate()
const server = new WebSocketServer({ port: process.env.PORT, host: '127.0.0.1' })
const channels = new Map() // name -> { confirmed: Promise, receivers: Set of functions }

subscriber.on('message', (name, chunk) => {
  for (const receive of channels.get(name)?.receivers ?? []) receive(JSON.parse(chunk))
})
// What was published while the subscription was down is lost: have the clients come again.
subscriber.on('close', () => server.clients.forEach((socket) => socket.close(1012)))

function follow(name, receive) {
  if (!channels.has(name)) {
    channels.set(name, { confirmed: subscriber.subscribe(name), receivers: new Set() })
  }
  channels.get(name).receivers.add(receive)
  return channels.get(name).confirmed // a second client waits for the first one's confirmation
}

function leave(name, receive) {
  const { receivers } = channels.get(name)
  receivers.delete(receive)
  if (receivers.size > 0) return
  channels.delete(name)
  subscriber.unsubscribe(name)
}

server.on('connection', async (socket, request) => {
  const url = new URL(request.url, 'ws://host')
  const session = url.pathname.split('/').pop()
  let newest = Number(url.searchParams.get('after'))
  let held = []
  const send = (chunk) => {
    if (chunk.seq <= newest) return
    newest = chunk.seq
    socket.send(JSON.stringify(chunk))
  }
  const receive = (chunk) => (held ? held.push(chunk) : send(chunk))
  socket.on('close', () => leave(`chat:${session}`, receive))

  await follow(`chat:${session}`, receive)
  const history = await redis.lrange(`chat:${session}:history`, 0, -1)
  const chunks = [...history.map(JSON.parse), ...held].sort((a, b) => a.seq - b.seq)
  held = null
  chunks.forEach(send)
})
