// As the AI SDK's guide has it: POST starts the answer, GET goes on with it, 204 when it is over.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import Redis from 'ioredis'
import { createResumableStreamContext } from 'resumable-stream/ioredis'
import { answer } from './answer.js'

const redis = new Redis(process.env.REDIS_URL)
const streams = createResumableStreamContext({ waitUntil: null }) // REDIS_URL, too

async function* saved(chat) {
  let text = ''
  for await (const event of answer()) yield ((text += event), event)
  await redis.rpush(`chat:${chat}:messages`, text)
  await redis.del(`chat:${chat}:active`)
}

async function post(chat, response) {
  const id = randomUUID()
  const make = () => Readable.toWeb(Readable.from(saved(chat)))
  const stream = await streams.createNewResumableStream(id, make)
  await redis.set(`chat:${chat}:active`, id)
  send(response, stream)
}

async function get(chat, response) {
  const id = await redis.get(`chat:${chat}:active`)
  const stream = id && (await streams.resumeExistingStream(id))
  if (stream) send(response, stream)
  else response.writeHead(204).end()
}

function send(response, stream) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  Readable.fromWeb(stream).on('error', () => response.destroy()).pipe(response)
}

createServer((request, response) => {
  const chat = request.url.split('/')[2] // POST /chat/ID, GET /chat/ID/stream
  const handle = request.method === 'POST' ? post : get
  handle(chat, response).catch(() => response.writeHead(500).end())
}).listen(process.env.PORT ?? 8000, '127.0.0.1')
