// Connection state recovery as documented: who comes back gets what was missed, and its rooms.
import { createAdapter } from '@socket.io/redis-streams-adapter'
import Redis from 'ioredis'
import { Server } from 'socket.io'
import { serve } from './asking.js'

const redis = new Redis(process.env.REDIS_URL)
const server = serve(async (session, chunk) => {
  await redis.rpush(`chat:${session}`, JSON.stringify(chunk))
  io.to(session).emit('chunk', chunk)
})
const io = new Server(server, {
  adapter: createAdapter(redis),
  connectionStateRecovery: {
    maxDisconnectionDuration: 2 * 60 * 1000,
    skipMiddlewares: process.env.CHECK !== 'yes', // yes: who comes back is checked, too
  },
})
io.use((socket, next) => setTimeout(next, 5)) // stands in for the user database

io.on('connection', (socket) => {
  if (socket.recovered) return
  socket.on('join', async ({ session }) => {
    socket.join(session)
    const history = await redis.lrange(`chat:${session}`, 0, -1)
    socket.emit('history', history.map(JSON.parse))
  })
})
