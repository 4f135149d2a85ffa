/**
 * A UDP socket on loopback from which a {@link KrpcFuzzer} speaks to nodes, in bursts. As a liar it also answers what
 * nodes ask it, mostly with rubbish under the right transaction id; else it is silent, and belongs in no routing table.
 */
import * as Dgram from "node:dgram"
import * as Result from "effect/Result"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { portAt } from "../../../src/runtime/dht/KrpcAddresses.ts"
import { COMPACT_NODE_BYTES, COMPACT_PEER_BYTES } from "../../../src/runtime/dht/KrpcMessage.ts"
import { type HonestPut, KrpcFuzzer } from "./KrpcFuzzer.ts"
import { asDictionary, type Dictionary, LOOPBACK, loose, STRANGER_ID, text } from "./LiveNode.ts"

/** A ping is lost where a socket's buffer is full, or a rate limit is reached: then it is sent again. */
const PING_AGAIN_MS = 100
/** A node that answers no ping for so long is dead. */
const DEAD_AFTER_MS = 15_000
/** Of those sent to one node, the latest; for reports. */
const RECENT_MAX = 64
/** Of a liar's answers, one in so many is sound: else it would soon be in no table. */
const SOUND_ONE_IN = 3

export interface Options {
  readonly seed: number
  readonly isLiar: boolean
  /** Told of the port of each node that asks it something, or that another names. */
  readonly onNode?: ((port: number) => void) | undefined
}

const decoded = (datagram: Uint8Array): Dictionary | undefined => {
  const value = Bencode.decode(datagram, { canonicalKeys: false })
  try {
    return Result.isSuccess(value) ? asDictionary(value.success) : undefined
  } catch {
    return undefined
  }
}

const keyOf = (t: unknown): string => (t instanceof Uint8Array ? Buffer.from(t).toString("latin1") : "")

export class FuzzPeer {
  /** Records that nodes hold: those that it puts again, and spoils. */
  puts: ReadonlyArray<HonestPut> = []
  /** Datagrams sent so far. */
  sent = 0
  /** The nodes to whose queries it has given an answer. */
  readonly answered = new Set<number>()
  readonly #socket = Dgram.createSocket("udp4")
  readonly #fuzzer: KrpcFuzzer
  readonly #options: Options
  readonly #tokens = new Map<number, Uint8Array>()
  readonly #recent = new Map<number, Array<Uint8Array>>()
  readonly #pongs = new Map<string, () => void>()
  #pings = 0

  private constructor(options: Options) {
    this.#options = options
    this.#fuzzer = new KrpcFuzzer(options.seed)
    this.#socket.on("message", (datagram, { port }) => this.#hear(datagram, port))
  }

  static async bind(options: Options): Promise<FuzzPeer> {
    const peer = new FuzzPeer(options)
    await new Promise<void>((resolve) => peer.#socket.bind(0, LOOPBACK, resolve))
    return peer
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Whether it knows a valid token of this node. */
  hasToken(port: number): boolean {
    return this.#tokens.has(port)
  }

  /** Sends so many datagrams to the node at `port`. */
  burst(port: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#send(this.#fuzzer.next({ token: this.#tokens.get(port), puts: this.puts, ports: [port] }), port)
    }
  }

  /** Asks for a token, which comes with the answer. */
  askToken(port: number): void {
    this.#send(
      loose({ a: { id: STRANGER_ID, target: STRANGER_ID }, q: text("get"), ro: 1, t: text("tk"), y: text("q") }),
      port
    )
  }

  /** Resolves when the node answers a ping, which it does after all that was sent before. */
  alive(port: number, deadAfterMs = DEAD_AFTER_MS): Promise<void> {
    const t = text(`ping${this.#pings++}`)
    const ping = loose({ a: { id: STRANGER_ID }, q: text("ping"), ro: 1, t, y: text("q") })
    return new Promise((resolve, reject) => {
      const again = setInterval(() => this.#send(ping, port), PING_AGAIN_MS)
      const end = (settle: () => void) => () => {
        clearInterval(again)
        clearTimeout(dead)
        this.#pongs.delete(keyOf(t))
        settle()
      }
      const dead = setTimeout(
        end(() => reject(new Error(`The node at ${port} is dead. ${this.report(port)}`))),
        deadAfterMs
      )
      this.#pongs.set(keyOf(t), end(resolve))
      this.#send(ping, port)
    })
  }

  /** The latest datagrams that went to a node, in hex, for whoever must find the one that did it. */
  report(port: number): string {
    const recent = (this.#recent.get(port) ?? []).map((datagram) => Buffer.from(datagram).toString("hex"))
    return `Seed ${this.#options.seed}; sent last, oldest first:\n${recent.join("\n")}`
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }

  #send(datagram: Uint8Array, port: number): void {
    const recent = this.#recent.get(port) ?? []
    recent.push(datagram)
    if (recent.length > RECENT_MAX) recent.shift()
    this.#recent.set(port, recent)
    this.sent++
    // Errors (a full buffer, a port where nobody is) are part of the game.
    this.#socket.send(datagram, port, LOOPBACK, () => undefined)
  }

  #hear(datagram: Uint8Array, port: number): void {
    const message = decoded(datagram)
    if (message === undefined) return
    if (keyOf(message["y"]) !== "q") return this.#hearReply(message, port)
    this.#options.onNode?.(port)
    if (!this.#options.isLiar) return
    this.answered.add(port)
    const learnt = { token: undefined, puts: this.puts, ports: [this.port, port] }
    this.#send(this.#fuzzer.answer(message, learnt, SOUND_ONE_IN), port)
  }

  #hearReply(reply: Dictionary, port: number): void {
    this.#pongs.get(keyOf(reply["t"]))?.()
    const { r } = reply
    if (typeof r !== "object" || r instanceof Uint8Array || Array.isArray(r)) return
    const { nodes, token } = asDictionary(r)
    if (token instanceof Uint8Array) this.#tokens.set(port, token)
    if (!(nodes instanceof Uint8Array)) return
    for (let end = COMPACT_NODE_BYTES; end <= nodes.length; end += COMPACT_NODE_BYTES) {
      if (nodes[end - COMPACT_PEER_BYTES] === 127) this.#options.onNode?.(portAt(nodes, end - COMPACT_PEER_BYTES))
    }
  }
}
