// Who comes late gets what is saved, and then enters the room.
import { createAdapter } from '@socket.io/redis-streams-adapter'
import Redis from 'ioredis'
import { Server } from 'socket.io'
import { serve } from './asking.js'

const redis = new Redis(process.env.REDIS_URL)
const server = serve(async (session, chunk) => {
  io.to(session).emit('chunk', chunk) // first of all to those who wait for it
  await redis.rpush(`chat:${session}`, JSON.stringify(chunk))
})
const io = new Server(server, { adapter: createAdapter(redis) })

io.on('connection', (socket) => {
  socket.on('join', async ({ session }) => {
    const history = await redis.lrange(`chat:${session}`, 0, -1)
    socket.emit('history', history.map(JSON.parse))
    socket.join(session)
  })
})
