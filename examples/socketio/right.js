// No recovery to believe in: whoever comes, new or again, enters the room, and only then is read
// what was saved after the client's last chunk. Saved before it is emitted. What the client has
// already, it drops.
import { createAdapter } from '@socket.io/redis-streams-adapter'
import Redis from 'ioredis'
import { Server } from 'socket.io'
import { serve } from './asking.js'

const redis = new Redis(process.env.REDIS_URL)
const server = serve(async (session, chunk) => {
  await redis.rpush(`chat:${session}`, JSON.stringify(chunk))
  io.to(session).emit('chunk', chunk)
})
const io = new Server(server, { adapter: createAdapter(redis) })

io.on('connection', (socket) => {
  socket.on('join', async ({ session, after }) => {
    socket.join(session)
    const history = await redis.lrange(`chat:${session}`, Number(after) + 1, -1)
    socket.emit('history', history.map(JSON.parse))
  })
})
