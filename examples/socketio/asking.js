// What all variants share: POST /ask/SESSION starts an answer of 200 words, about fifty a second.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

export function serve(write) {
  const server = createServer(async (request, response) => {
    const session = request.url.split('/').pop()
    response.end(JSON.stringify({ session }))
    const message = randomUUID()
    for (let index = 0; index < 200; index++) {
      await pause(-20 * Math.log(1 - Math.random())) // a language model has moments of its own
      await write(session, { message, index, text: `word ${index} `, last: index === 199 })
    }
  })
  process.on('disconnect', () => process.exit()) // servers.js has ended
  return server.listen(process.env.PORT ?? 8000, '127.0.0.1', () => {
    process.send?.(server.address().port) // it waits for this
  })
}
