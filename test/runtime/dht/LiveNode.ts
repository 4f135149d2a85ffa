/**
 * A real bittorrent-dht node behind the guard on loopback, and a stranger with a plain UDP socket
 * that talks to it. Nothing here waits for time to pass: a datagram counts as unanswered when the
 * answer to a later ping has come, since the node answers in the order of arrival.
 */
// The declarations are ambient, so there is nothing in them to import.
import * as Crypto from "node:crypto"
import * as Dgram from "node:dgram"
import * as Result from "effect/Result"
import DHT, { type Item, type Options as DhtOptions } from "bittorrent-dht"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { hasStrictForm } from "../../../src/protocol/core/Ed25519.ts"
import * as GuardedSocket from "../../../src/runtime/dht/GuardedSocket.ts"
import * as ItemServer from "../../../src/runtime/dht/items/ItemServer.ts"
import * as ItemStore from "../../../src/runtime/dht/items/ItemStore.ts"

export const LOOPBACK = "127.0.0.1"

const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex")
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex")

export const verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean =>
  hasStrictForm(signature, publicKey) &&
  Crypto.verify(null, message, { key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" }, signature)

/** Signer and public key of a fixed seed. */
export const keyPair = (seedByte: number) => {
  const seed = Buffer.alloc(32, seedByte)
  const key = Crypto.createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: "der", type: "pkcs8" })
  const spki = Crypto.createPublicKey(key).export({ format: "der", type: "spki" })
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_HEAD.length)),
    sign: (message: Uint8Array): Uint8Array => new Uint8Array(Crypto.sign(null, message, key))
  }
}

export const sha1 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(Crypto.createHash("sha1").update(Buffer.concat(parts)).digest())

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"))

/** Bytes that stand for a value as they are: another spelling than the canonical one. */
export class Raw {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** What hostile nodes send and a strict encoder refuses: integers of any size, values spelled in their own way. */
export type Loose = number | bigint | Uint8Array | Raw | ReadonlyArray<Loose> | { readonly [key: string]: Loose }

const isLooseList = (value: Loose): value is ReadonlyArray<Loose> => Array.isArray(value)

/** Bencode with sorted keys (one char a byte) and without any other rule. */
export const loose = (value: Loose): Uint8Array => {
  if (value instanceof Raw) return value.bytes
  if (value instanceof Uint8Array) return Buffer.concat([text(`${value.length}:`), value])
  if (typeof value === "number" || typeof value === "bigint") return text(`i${value}e`)
  if (isLooseList(value)) return Buffer.concat([text("l"), ...value.map(loose), text("e")])
  const parts = Object.keys(value)
    .toSorted()
    .flatMap((key) => [loose(text(key)), loose((value as { readonly [key: string]: Loose })[key]!)])
  return Buffer.concat([text("d"), ...parts, text("e")])
}

/** The bytes that BEP 44 signs. */
export const signedBytes = (seq: Loose, v: Uint8Array, salt: Uint8Array = new Uint8Array(0)): Uint8Array =>
  Buffer.concat([...(salt.length > 0 ? [text("4:salt"), loose(salt)] : []), text("3:seq"), loose(seq), text("1:v"), v])

export type Dictionary = Bencode.Dictionary

export const asDictionary = (value: Bencode.Value | undefined): Dictionary => {
  if (typeof value !== "object" || value instanceof Uint8Array || Array.isArray(value)) {
    throw new TypeError("not a dictionary")
  }
  return value as Dictionary
}

export const asBytes = (value: Bencode.Value | undefined): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new TypeError("not a byte string")
  return value
}

export const read = (datagram: Uint8Array): Dictionary =>
  asDictionary(Result.getOrThrow(Bencode.decode(datagram, { canonicalKeys: false })))

/** The KRPC error code in a reply, or `undefined`. */
export const codeOf = (reply: Dictionary | undefined): number | undefined => {
  const e = reply?.["e"]
  return Array.isArray(e) ? Number(e[0]) : undefined
}

export interface LiveNode {
  readonly dht: DHT
  readonly socket: GuardedSocket.GuardedSocket
  readonly port: number
  readonly defects: ReadonlyArray<unknown>
  readonly count: (reason: GuardedSocket.Reason) => number
  /** What a stranger must not be able to change. */
  readonly state: () => { readonly values: unknown; readonly nodes: number; readonly peers: number }
  readonly close: () => Promise<void>
}

export const startNode = async (
  options: Partial<GuardedSocket.Options> = {},
  dhtOptions: DhtOptions = {}
): Promise<LiveNode> => {
  const defects: Array<unknown> = []
  const socket = GuardedSocket.make({
    host: LOOPBACK,
    verify,
    now: () => performance.now(),
    onDefect: (defect) => defects.push(defect),
    ...options
  })
  const dht = new DHT({ bootstrap: false, socket, verify: socket.verify, ...dhtOptions })
  await new Promise<void>((resolve) => dht.listen(0, resolve))
  return {
    dht,
    socket,
    port: dht.address().port,
    defects,
    count: (reason) => socket.counters().get(reason) ?? 0,
    state: () => ({
      values: dht.toJSON().values,
      nodes: dht.nodes.count(),
      peers: Number(Reflect.get(Object(Reflect.get(dht, "_peers")), "size"))
    }),
    close: () => new Promise((resolve) => dht.destroy(resolve))
  }
}

/** The same, with our own store of items in place of the library's. */
export const startStorageNode = async (): Promise<LiveNode> => {
  const nodeId = Crypto.randomBytes(20)
  const now = () => performance.now()
  const items = ItemStore.make({ now, verify, ownId: nodeId })
  let node: LiveNode | undefined
  const server = ItemServer.make({
    store: items,
    verify,
    now,
    randomBytes: Crypto.randomBytes,
    ownId: () => nodeId,
    closest: (_target, count) => node?.dht.nodes.toArray().slice(0, count) ?? []
  })
  const started = await startNode({ serve: server.serve }, { nodeId })
  node = started
  const values = () => Object.fromEntries([...items.entries()].map(({ item, target }) => [target, item]))
  return { ...started, state: () => ({ ...started.state(), values: values() }) }
}

/** An id for strangers that is in no vector. */
export const STRANGER_ID = text("stranger-0123456789a")

export class Stranger {
  readonly #socket = Dgram.createSocket("udp4")
  readonly #to: number
  #ticket = 0
  #received: Array<Dictionary> = []
  #onMessage: (datagram: Buffer, from: Dgram.RemoteInfo) => void = () => undefined

  private constructor(to: number) {
    this.#to = to
    this.#socket.on("message", (datagram, from) => this.#onMessage(datagram, from))
  }

  /** Talks to the node at `to`. */
  static async bind(to: number): Promise<Stranger> {
    const stranger = new Stranger(to)
    await new Promise<void>((resolve) => stranger.#socket.bind(0, LOOPBACK, resolve))
    return stranger
  }

  get port(): number {
    return this.#socket.address().port
  }

  send(datagram: Uint8Array, port = this.#to): void {
    this.#socket.send(datagram, port, LOOPBACK)
  }

  /** Sends the datagrams, then a ping as a read-only node; gives what came back before the pong. */
  async exchange(...datagrams: ReadonlyArray<Uint8Array>): Promise<ReadonlyArray<Dictionary>> {
    const ticket = text(`P${this.#ticket++}`)
    this.#received = []
    const pong = new Promise<ReadonlyArray<Dictionary>>((resolve) => {
      this.#onMessage = (datagram) => {
        const reply = read(datagram)
        if (reply["t"] instanceof Uint8Array && Buffer.compare(reply["t"], ticket) === 0) resolve(this.#received)
        else this.#received.push(reply)
      }
    })
    for (const datagram of datagrams) this.send(datagram)
    this.send(loose({ a: { id: STRANGER_ID }, q: text("ping"), ro: 1, t: ticket, y: text("q") }))
    return pong
  }

  /** One query, one reply or none. */
  async ask(q: string, a: { readonly [key: string]: Loose }): Promise<Dictionary | undefined> {
    const [reply] = await this.exchange(
      loose({ a: { id: STRANGER_ID, ...a }, q: text(q), ro: 1, t: text("ask"), y: text("q") })
    )
    return reply
  }

  /** A token for puts and announces. */
  async token(): Promise<Uint8Array> {
    const reply = await this.ask("get", { target: STRANGER_ID })
    return asBytes(asDictionary(reply?.["r"])["token"])
  }

  /** From now on plays a node: answers each query with what `answer` makes of it (without `t`), or not at all. */
  play(answer: (query: Dictionary) => { readonly [key: string]: Loose } | undefined): void {
    this.#onMessage = (datagram, from) => {
      const query = read(datagram)
      const reply = answer(query)
      if (reply !== undefined) this.send(loose({ ...reply, t: asBytes(query["t"]) }), from.port)
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }
}

/** `dht.get` as a promise; errors of the lookup count as nothing found. */
export const getItem = (dht: DHT, target: Uint8Array, salt?: Uint8Array): Promise<Item | null> =>
  new Promise((resolve) => {
    dht.get(target, { cache: false, ...(salt === undefined ? {} : { salt }) }, (error, item) =>
      resolve(error === null || error === undefined ? item : null)
    )
  })
