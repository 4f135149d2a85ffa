/**
 * Datagrams between named endpoints, under the weather, each in the trace. What a datagram is, the
 * network on top decides: a message of the model, or the bytes of a real client.
 */
import type { Kernel } from "./Kernel.ts"
import type { Trace } from "./Trace.ts"
import type { Weather } from "./Weather.ts"

export interface Endpoint<Message> {
  /** As the trace names it: `alice`, `n17`. */
  readonly name: string
  /** `host:port`. */
  readonly address: string
  readonly receive: (message: Message, from: string) => void
}

export class Wire<Message> {
  readonly #kernel: Kernel
  readonly #weather: Weather
  readonly #trace: Trace
  readonly #textOf: (message: Message) => string
  readonly #endpoints = new Map<string, Endpoint<Message>>()

  constructor(kernel: Kernel, weather: Weather, trace: Trace, textOf: (message: Message) => string) {
    this.#kernel = kernel
    this.#weather = weather
    this.#trace = trace
    this.#textOf = textOf
  }

  /** Listens under an address until the function that is given back is called. */
  attach(endpoint: Endpoint<Message>): () => void {
    this.#endpoints.set(endpoint.address, endpoint)
    return () => {
      if (this.#endpoints.get(endpoint.address) === endpoint) this.#endpoints.delete(endpoint.address)
    }
  }

  /** Sends a datagram from an address that need not be the sender's own: who it claims to be from is what the receiver sees. */
  send(from: Pick<Endpoint<Message>, "name" | "address">, to: string, message: Message): void {
    const receiver = this.#endpoints.get(to)
    const name = receiver?.name ?? to
    const fate = this.#weather.datagram(from.name, name)
    const entry = { atMs: this.#kernel.elapsedMs, from: from.name, to: name }
    const text = this.#textOf(message)
    if (fate._tag === "Lost" || receiver === undefined) {
      this.#trace.add({ ...entry, kind: "lost", text: `${text}: ${fate._tag === "Lost" ? fate.why : "nobody there"}` })
      return
    }
    fate.delaysMs.forEach((delayMs, copy) => {
      this.#trace.add({ ...entry, kind: copy === 0 ? "sent" : "twice", text, delayMs })
      this.#kernel.after(delayMs, () => {
        // Whoever listens there by then.
        this.#endpoints.get(to)?.receive(message, from.address)
      })
    })
  }
}
