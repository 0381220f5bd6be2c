// SPDX-License-Identifier: MIT
// What the console is tested with: a running suite (PS_CONSOLE_URL and
// PS_CONSOLE_TOKEN), or one that is started here and ended after.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const DEPLOY = join(import.meta.dirname, '../../../deploy')
const START_MS = 170_000

export interface Suite {
  url: string
  token: string
  stop: () => Promise<void>
}

export async function startSuite(): Promise<Suite> {
  const { PS_CONSOLE_URL: url, PS_CONSOLE_TOKEN: token } = process.env
  if (url !== undefined && token !== undefined) {
    return { url, token, stop: () => Promise.resolve() }
  }
  const dir = await mkdtemp(join(tmpdir(), 'packetscope-web-'))
  const address = `127.0.0.1:${await freePort()}`
  const state = join(dir, 'state')
  const options = [
    '--http',
    address,
    '--state',
    state,
    '--run',
    join(dir, 'run'),
  ]
  const stop = async () => {
    await call('down', options)
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await call('up', ['--detach', '--no-geo', ...options])
    const file = await readFile(join(state, 'admin.token'), 'utf8')
    return { url: `http://${address}`, token: file.trim(), stop }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}

async function call(command: string, args: string[]) {
  try {
    // The console as users get it: the tests' own kind of React is not that.
    const env = { ...process.env, NODE_ENV: 'production' }
    await run(join(DEPLOY, command), args, { timeout: START_MS, env })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(
      `deploy/${command} failed\n${stdout ?? ''}\n${stderr ?? String(error)}`,
      { cause: error },
    )
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0
      server.close(() => resolve(port))
    })
  })
}
