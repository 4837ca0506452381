import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A TCP relay in front of a database, where a test can cut the line or let it hang. */
export interface Wall {
  /** The database's URL through the relay. */
  url: string
  /** Refuses new connections and cuts those that are there. */
  cut (): void
  /** Lets connections through again. */
  mend (): void
  /** Cuts every connection as soon as the server's next answer would come through: the request has arrived, the answer never does. */
  swallowAnswers (): void
  /** Holds back every answer for so long. */
  delay (milliseconds: number): void
  /** Accepts what is sent and passes nothing on, in either direction. */
  hang (): void
}

export async function buildWall (t: Test, databaseUrl: string): Promise<Wall> {
  const target = new URL(databaseUrl)
  let mode: 'open' | 'cut' | 'swallow' | 'hang' = 'open'
  let delayMs = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    if (mode === 'cut') {
      client.destroy()
      return
    }
    const upstream = connect(Number(target.port), target.hostname)
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from)
      from.on('data', (data) => {
        if (mode === 'hang') return
        if (mode === 'swallow' && from === upstream) {
          client.destroy()
          upstream.destroy()
          return
        }
        if (delayMs > 0 && from === upstream) setTimeout(() => { to.write(data) }, delayMs)
        else to.write(data)
      })
      from.on('error', () => {}).on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  const cutAll = (): void => { for (const socket of sockets) socket.destroy() }
  t.teardown(() => {
    server.close()
    cutAll()
  })
  return {
    url: url.href,
    cut () { mode = 'cut'; cutAll() },
    mend () { if (mode === 'hang') cutAll(); mode = 'open' },
    delay (milliseconds) { delayMs = milliseconds },
    swallowAnswers () { mode = 'swallow' },
    hang () { mode = 'hang' }
  }
}
