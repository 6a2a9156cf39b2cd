// An event's id is the place in the answer where it ends. GET goes on there: in the stream, or, if
// that is over, in the saved answer, which is saved before the stream ends.
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
  await redis.set(`chat:${chat}:answer`, text)
}

async function post(chat, after, response) {
  const id = randomUUID()
  const make = () => Readable.toWeb(Readable.from(saved(chat)))
  const stream = await streams.createNewResumableStream(id, make)
  await redis.set(`chat:${chat}:active`, id)
  send(response, numbered(stream, 0))
}

async function get(chat, after, response) {
  const id = await redis.get(`chat:${chat}:active`)
  const stream = id && (await streams.resumeExistingStream(id, after))
  if (stream) return send(response, numbered(stream, after))
  const text = await redis.get(`chat:${chat}:answer`)
  if (text === null) return response.writeHead(204).end()
  send(response, numbered([text.slice(after)], after))
}

async function* numbered(texts, place) {
  for await (const text of texts) {
    for (const event of text.match(/.+?\n\n/gs) ?? []) {
      place += event.length
      yield `id: ${place}\n${event}`
    }
  }
}

function send(response, events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  Readable.from(events).on('error', () => response.destroy()).pipe(response)
}

createServer((request, response) => {
  const chat = request.url.split('/')[2] // POST /chat/ID, GET /chat/ID/stream
  const after = Number(request.headers['last-event-id'] ?? 0)
  const handle = request.method === 'POST' ? post : get
  handle(chat, after, response).catch(() => response.writeHead(500).end())
}).listen(process.env.PORT ?? 8000, '127.0.0.1')
