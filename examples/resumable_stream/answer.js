// Stands in for a language model: the AI SDK's events for 215 words, about fifty a second, in SSE.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

export async function* answer() {
  const id = randomUUID()
  let due = performance.now()
  yield event({ type: 'text-start', id })
  for (let word = 0; word < 215; word++) {
    due += -20 * Math.log(1 - Math.random()) // moments of its own, kept also by a busy machine
    await pause(Math.max(0, due - performance.now()))
    yield event({ type: 'text-delta', id, delta: `word ${word} ` })
  }
  yield event({ type: 'finish' })
  yield 'data: [DONE]\n\n'
}

const event = (part) => `data: ${JSON.stringify(part)}\n\n`
