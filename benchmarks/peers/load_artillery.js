// Artillery with a function that parses each chunk and checks for gaps.   node load_artillery.js PORT PLAN
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const [port, plan] = [process.argv[2], JSON.parse(process.argv[3])]
const artillery = join(dirname(process.env.PEERS), 'node_modules/.bin/artillery')
const processor = new URL('load_artillery_check.cjs', import.meta.url).pathname

// So many virtual users within so many seconds, each reads one connection to its end.
function run(users, seconds, path, chunks) {
  const folder = mkdtempSync(join(tmpdir(), 'artillery-'))
  const script = {
    config: {
      target: `ws://127.0.0.1:${port}`,
      processor,
      phases: [{ duration: seconds, arrivalCount: users }],
    },
    scenarios: [{ engine: 'ws', flow: [{ connect: `{{ target }}${path}` }, { function: 'check' }] }],
  }
  writeFileSync(join(folder, 'script.json'), JSON.stringify(script))
  const environment = { FOUND: join(folder, 'found.json'), USERS: users, CHUNKS: chunks }
  const done = spawnSync(artillery, ['run', '--quiet', join(folder, 'script.json')], {
    env: { ...process.env, ...environment, ARTILLERY_DISABLE_TELEMETRY: 'true', WORKERS: '1' },
    timeout: 60_000,
  })
  if (!existsSync(environment.FOUND)) throw new Error(`${done.stdout}${done.stderr}`)
  return JSON.parse(readFileSync(environment.FOUND))
}

const users = plan.trickle_connections
const trickle = run(
  users, 1, `/${plan.trickle_chunks}/1/${plan.trickle_interval_s}`, plan.trickle_chunks,
)
const burst = run(1, 1, `/${plan.burst_chunks}/${plan.burst_size}/0`, plan.burst_chunks)
const connect = run(plan.connects, 3, '/0/1/0', 0)
const found = {
  trickle_us: trickle.message_us,
  burst_us: burst.message_us,
  connect_ms: connect.connection_ms,
  base_mib: trickle.base_mib,
}
console.log(JSON.stringify(found))
