/**
 * Reads the handshakes of a socket piece by piece. A handshake is written as steps, one after another, which say what they
 * wait for; no fiber stands behind them. Never more is waited for than a step asks, which is a constant or a number that it
 * has bounded, and afterwards the socket is paused: a stranger gets no memory by what it sends or says.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
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

/** Looks for what is waited for in what has come: bytes, a failure that ends the steps, or `undefined` to wait on. */
type Look<E> = () => Buffer | E | undefined

/** A handshake, or a part of one: `yield*` gives the bytes that a step waits for. */
export type Steps<A, E = NotUnderstood> = Generator<Look<E>, A, Buffer>

/** Ends the steps that it stands in. */
export function* failing<E>(error: E): Steps<never, E> {
  for (;;) yield () => error
}

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
  *take(length: number): Steps<Buffer> {
    return yield () => (this.#collected.length < length ? undefined : this.#cut(length))
  }

  /** Everything through the first occurrence of `pattern`, before which at most `before` bytes may stand. */
  *takeThrough(pattern: Uint8Array, before: number): Steps<Buffer> {
    const end = before + pattern.length
    return yield () => {
      const at = this.#collected.subarray(0, end).indexOf(pattern)
      if (at >= 0) return this.#cut(at + pattern.length)
      return this.#collected.length < end ? undefined : this.#problem("it speaks another protocol")
    }
  }

  refuse(problem: string): Steps<never> {
    return failing(this.#problem(problem))
  }

  /**
   * Takes the steps as the bytes come, and calls `onEnd` once: when they are through, when one fails, or when the peer
   * leaves. The result ends that early, and then nobody is told.
   */
  read<A, E>(steps: Steps<A, E | NotUnderstood>, onEnd: (outcome: Result.Result<A, E | NotUnderstood>) => void) {
    const { socket } = this
    const stop = () => {
      socket.off("data", onData)
      socket.off("close", onClose)
      socket.pause()
    }
    const end = (outcome: Result.Result<A, E | NotUnderstood>) => {
      stop()
      onEnd(outcome)
    }
    let step: IteratorResult<Look<E | NotUnderstood>, A> | undefined
    /** How it ended, once it has. */
    const goOn = (): Result.Result<A, E | NotUnderstood> | undefined => {
      try {
        for (step ??= steps.next(); step.done !== true;) {
          const found = step.value()
          if (found === undefined) return undefined
          if (!(found instanceof Uint8Array)) return Result.fail(found)
          step = steps.next(found)
        }
        return Result.succeed(step.value)
      } catch (defect) {
        return Result.fail(this.#problem(`what it said was not survived: ${String(defect)}`))
      }
    }
    const look = () => {
      const outcome = goOn()
      if (outcome !== undefined) end(outcome)
    }
    const onClose = () => end(Result.fail(this.#problem("it closed the connection")))
    const onData = (chunk: Buffer) => {
      this.#collected = this.#collected.length === 0 ? chunk : Buffer.concat([this.#collected, chunk])
      look()
    }
    if (socket.destroyed) onClose()
    else {
      socket.on("close", onClose)
      socket.on("data", onData)
      socket.resume()
      look()
    }
    return stop
  }

  /** {@link read} as an effect. */
  run<A, E>(steps: Steps<A, E | NotUnderstood>): Effect.Effect<A, E | NotUnderstood> {
    return Effect.callback((resume) => {
      const stop = this.read(steps, (outcome) => resume(Effect.fromResult(outcome)))
      return Effect.sync(stop)
    })
  }

  #problem(problem: string): NotUnderstood {
    return new NotUnderstood({ peer: this.peer, problem })
  }

  #cut(length: number): Buffer {
    const taken = this.#collected.subarray(0, length)
    this.#collected = this.#collected.subarray(length)
    return taken
  }
}
