// A relay on socket.io with its redis-streams-adapter: a room a session.
import { createRequire } from 'node:module'

const require = createRequire(process.env.PEERS)
const { createAdapter } = require('@socket.io/redis-streams-adapter')
const { Redis } = require('ioredis')
const { Server } = require('socket.io')

const redis = new Redis(process.env.REDIS_URL)
const io = new Server(Number(process.env.PORT), {
  adapter: createAdapter(redis),
  perMessageDeflate: false,
  transports: ['websocket'],
})

io.on('connection', (socket) => {
  socket.on('join', async (session) => {
    await socket.join(session)
    const history = await redis.lrange(`chat:history:${session}`, 0, -1)
    socket.emit('history', { messages: history.map(JSON.parse) })
  })
})
