/**
 * Reads the handshakes of a socket piece by piece. Never more is waited for than a caller asks, which is a constant or a
 * number that it has bounded, and the socket is paused in between: a stranger gets no memory by what it sends or says.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Socket } from "node:net"

/** The peer left or said what nobody understands, before the handshakes were through. Another dialect may do. */
export class NotUnderstood extends Schema.TaggedError<NotUnderstood>()("NotUnderstood", {
  peer: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The peer ${this.peer} was not understood: ${this.problem}`
  }
}

type Found = { readonly taken: Buffer } | { readonly problem: string } | undefined

export class SocketReader {
  readonly socket: Socket
  /** For messages. */
  readonly peer: string
  #collected: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, peer: string) {
    this.socket = socket
    this.peer = peer
  }

  /** What came behind all that was taken. */
  get rest(): Buffer {
    return this.#collected
  }

  /** The next `length` bytes. */
  take(length: number): Effect.Effect<Buffer, NotUnderstood> {
    return this.#until(() => (this.#collected.length < length ? undefined : { taken: this.#cut(length) }))
  }

  /** Everything through the first occurrence of `pattern`, before which at most `before` bytes may stand. */
  takeThrough(pattern: Uint8Array, before: number): Effect.Effect<Buffer, NotUnderstood> {
    const end = before + pattern.length
    return this.#until(() => {
      const at = this.#collected.subarray(0, end).indexOf(pattern)
      if (at >= 0) return { taken: this.#cut(at + pattern.length) }
      return this.#collected.length < end ? undefined : { problem: "it speaks another protocol" }
    })
  }

  refuse(problem: string): NotUnderstood {
    return new NotUnderstood({ peer: this.peer, problem })
  }

  #cut(length: number): Buffer {
    const taken = this.#collected.subarray(0, length)
    this.#collected = this.#collected.subarray(length)
    return taken
  }

  #until(look: () => Found): Effect.Effect<Buffer, NotUnderstood> {
    const { socket } = this
    return Effect.callback((resume) => {
      const stop = () => {
        socket.off("data", onData)
        socket.off("close", onClose)
        socket.pause()
      }
      const attempt = (): boolean => {
        const found = look()
        if (found === undefined) return false
        stop()
        resume("taken" in found ? Effect.succeed(found.taken) : Effect.fail(this.refuse(found.problem)))
        return true
      }
      const onClose = () => {
        stop()
        resume(Effect.fail(this.refuse("it closed the connection")))
      }
      const onData = (chunk: Buffer) => {
        this.#collected = this.#collected.length === 0 ? chunk : Buffer.concat([this.#collected, chunk])
        attempt()
      }
      if (attempt()) return
      if (socket.destroyed) return onClose()
      socket.once("close", onClose)
      socket.on("data", onData)
      socket.resume()
      return Effect.sync(stop)
    })
  }
}
