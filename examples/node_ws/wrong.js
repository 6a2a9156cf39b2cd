// As most people write it first: send what is saved, then follow what is published.
import Redis from 'ioredis'
import { WebSocketServer } from 'ws'

const redis = new Redis(process.env.REDIS_URL)
const server = new WebSocketServer({ port: process.env.PORT, host: '127.0.0.1' })

server.on('connection', async (socket, request) => {
  const session = new URL(request.url, 'ws://host').pathname.split('/').pop()
  const history = await redis.lrange(`chat:${session}:history`, 0, -1)
  socket.send(JSON.stringify({ type: 'history', messages: history.map(JSON.parse) }))

  const subscriber = redis.duplicate()
  subscriber.on('message', (channel, chunk) => socket.send(chunk))
  await subscriber.subscribe(`chat:${session}`)
  socket.on('close', () => subscriber.disconnect())
})
