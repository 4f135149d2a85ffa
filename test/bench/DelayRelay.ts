/** A long way on loopback: a TCP relay through which every byte takes a given time, each way. The rate is not limited. */
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

/** Bytes that are on their way through one connection, each way, before the sender has to wait. */
const ON_THE_WAY_MAX_BYTES = 64 * 1024 * 1024

/** What comes from one side leaves on the other `delayMs` later, in order. */
const delay = (from: Socket, to: Socket, delayMs: number): void => {
  const onTheWay: Array<{ readonly at: number; readonly chunk: Buffer }> = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined
  const deliver = () => {
    timer = undefined
    const now = performance.now()
    to.cork()
    for (let next = onTheWay[0]; next !== undefined && next.at <= now; next = onTheWay[0]) {
      onTheWay.shift()
      bytes -= next.chunk.length
      if (!to.destroyed) to.write(next.chunk)
    }
    to.uncork()
    if (from.isPaused() && bytes < ON_THE_WAY_MAX_BYTES) from.resume()
    wait()
  }
  const wait = () => {
    const [next] = onTheWay
    if (timer === undefined && next !== undefined) timer = setTimeout(deliver, Math.max(1, next.at - performance.now()))
  }
  from.on("data", (chunk: Buffer) => {
    onTheWay.push({ at: performance.now() + delayMs, chunk })
    bytes += chunk.length
    if (bytes >= ON_THE_WAY_MAX_BYTES) from.pause()
    wait()
  })
  from.on("error", () => {})
  from.on("close", () => to.destroySoon())
}

/** Listens on 127.0.0.1 until the scope closes; gives `host:port`. */
export const make = (target: { readonly host: string; readonly port: number }, delayMs: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly address: string; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer({ noDelay: true }, (near) => {
        const far = connect({ ...target, noDelay: true })
        for (const socket of [near, far]) sockets.add(socket.once("close", () => sockets.delete(socket)))
        delay(near, far, delayMs)
        delay(far, near, delayMs)
      })
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const bound = server.address()
        if (typeof bound !== "object" || bound === null) throw new Error("The relay does not listen")
        resume(Effect.succeed({ address: `127.0.0.1:${bound.port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ address }) => address))
