/**
 * A structure-aware fuzzer of KRPC: valid messages of every kind, then changed in their structure (types, lengths,
 * nesting, keys) and in their bytes. One seed gives one stream of datagrams for what was learnt of the node before.
 *
 * It never makes a message that a node is right to store: its puts are those of a record that the node holds
 * already, and every other one has a token that is not the node's. So whatever changes in a node's items is a fault.
 */
import { inspect } from "../../../src/runtime/dht/KrpcGuard.ts"
import { COMPACT_NODE_BYTES, COMPACT_PEER_BYTES } from "../../../src/runtime/dht/KrpcMessage.ts"
import { Chance } from "./FuzzChance.ts"
import { Entries, type Part, type Place, placesIn, Verbatim, written } from "./FuzzTree.ts"
import { asBytes, type Dictionary, text } from "./LiveNode.ts"

/** A record that honest nodes hold, as the arguments of the put that stored it. */
export interface HonestPut {
  readonly target: Uint8Array
  readonly k: Uint8Array
  readonly salt: Uint8Array
  readonly seq: number
  readonly sig: Uint8Array
  readonly v: Uint8Array
}

/** What the fuzzer knows of a node. */
export interface Learnt {
  /** Of the node, and valid. */
  readonly token: Uint8Array | undefined
  readonly puts: ReadonlyArray<HonestPut>
  /** UDP ports on loopback that answers may name as nodes. */
  readonly ports: ReadonlyArray<number>
}

const NAMES =
  "a ar cas e id implied_port info_hash ip k nodes nodes6 port q r ro salt scrape seq sig t target token v values want y".split(
    " "
  )
const HOSTILE_NAMES = ["", "__proto__", "constructor", "toString", "length", "0", "4294967294", "\u00ff\u0000"]
const METHODS = ["sample_infohashes", "vote", "constructor", "__proto__", "", "ping\u0000", "PING", "get_peersx"]
const LENGTHS = [0, 1, 2, 4, 19, 20, 21, 25, 26, 27, 31, 32, 33, 63, 64, 65, 128, 995, 996, 997, 1_000, 1_001, 4_000]
const INTEGERS = [
  -1n,
  0n,
  1n,
  65_535n,
  65_536n,
  10n ** 40n,
  ...[31n, 32n, 53n, 63n, 64n].flatMap((bits) => [2n ** bits - 1n, 2n ** bits, -(2n ** bits)])
]
const SPELLINGS = [
  "ie",
  "i-e",
  "i-0e",
  "i01e",
  "i1",
  "i1.5e",
  "i 1e",
  "i+1e",
  "01:x",
  "-1:x",
  "1:",
  ":",
  "9999999999:x"
]
const DEPTHS = [1, 2, 8, 9, 10, 11, 400, 1_300]

const loopback = (port: number): ReadonlyArray<number> => [127, 0, 0, 1, port >> 8, port & 0xff]

/** Whether a datagram makes its receiver send anything elsewhere than to loopback. */
const staysHere = (datagram: Uint8Array): boolean => {
  const verdict = inspect(datagram)
  if (verdict._tag !== "Accept" || verdict.message._tag !== "Response") return true
  const { nodes, values } = verdict.message.values
  const named: Array<Uint8Array> = Array.isArray(values) ? values.map((value) => asBytes(value)) : []
  const compact = nodes instanceof Uint8Array ? nodes : new Uint8Array(0)
  for (let end = COMPACT_NODE_BYTES; end <= compact.length; end += COMPACT_NODE_BYTES) {
    named.push(compact.subarray(end - COMPACT_PEER_BYTES, end))
  }
  return named.every((each) => each[0] === 127)
}

export class KrpcFuzzer {
  readonly #chance: Chance
  /** Of half of its messages; the others have one of their own each. */
  readonly #id: Uint8Array

  constructor(seed: number) {
    this.#chance = new Chance(seed)
    this.#id = this.#chance.bytes(20)
  }

  /** One datagram out of the blue. Those who are named in it are on loopback. */
  next(learnt: Learnt): Uint8Array {
    const chance = this.#chance
    if (chance.oneIn(64)) return chance.bytes(chance.below(200))
    for (;;) {
      const message = chance.oneIn(3) ? this.#reply(learnt, undefined) : this.#query(learnt)
      const datagram = this.#spoil(message)
      if (staysHere(datagram)) return datagram
    }
  }

  /** An answer to a query of the node, under its transaction id: sound one time in `soundOneIn`. */
  answer(query: Dictionary, learnt: Learnt, soundOneIn: number): Uint8Array {
    for (;;) {
      const reply = this.#reply(learnt, query)
      const datagram = this.#chance.oneIn(soundOneIn) ? written(reply) : this.#spoil(reply)
      if (staysHere(datagram)) return datagram
    }
  }

  #query({ puts, token }: Learnt): Entries {
    const chance = this.#chance
    const bad = chance.bytes(chance.of([4, 8, 20]))
    const good = token ?? bad
    const target = chance.oneIn(2) && puts.length > 0 ? chance.of(puts).target : chance.bytes(20)
    const seq = BigInt(chance.below(5))
    const ask = (q: string, a: { readonly [key: string]: Part }) => {
      const id = chance.oneIn(2) ? this.#id : chance.bytes(20)
      const readOnly = chance.oneIn(4) ? { ro: 1n } : {}
      const version = chance.oneIn(2) ? { v: text("LT\u0001\u0002") } : {}
      const t = chance.bytes(chance.of([1, 2, 2, 2, 4, 8]))
      return new Entries({ a: new Entries({ id, ...a }), q: text(q), t, y: text("q"), ...readOnly, ...version })
    }
    switch (chance.below(10)) {
      case 0:
        return ask("ping", {})
      case 1:
        return ask("find_node", { target, ...(chance.oneIn(2) ? { want: [text("n4"), text("n6")] } : {}) })
      case 2:
        return ask("get_peers", { info_hash: target, ...(chance.oneIn(4) ? { scrape: 1n } : {}) })
      case 3:
        return ask("announce_peer", { implied_port: 1n, info_hash: target, port: 6881n, token: good })
      case 4:
        return ask("announce_peer", { info_hash: target, port: BigInt(chance.below(65_536)), token: good })
      case 5:
        return ask("get", { target, ...(chance.oneIn(2) ? { seq } : {}) })
      case 6:
        return ask("put", { token: bad, v: chance.bytes(chance.below(300)) })
      case 7:
        return ask(chance.of(METHODS), { target })
      default: {
        if (puts.length === 0) return ask("ping", {})
        const { k, salt, seq, sig, v } = chance.of(puts)
        const cas = chance.oneIn(4) ? { cas: BigInt(seq) } : {}
        return ask("put", { k, salt, seq: BigInt(seq), sig, token: good, v, ...cas })
      }
    }
  }

  #reply({ ports, puts }: Learnt, query: Dictionary | undefined): Entries {
    const chance = this.#chance
    // What is not asked for has a guess: the ids of ours are random, those of the library began at 1.
    const guess = () => (chance.oneIn(2) ? Uint8Array.of(0, chance.below(256)) : chance.bytes(4))
    const t = query?.["t"] instanceof Uint8Array ? query["t"] : guess()
    const ip = chance.oneIn(2) ? { ip: Uint8Array.from(loopback(6881)) } : {}
    const give = (r: { readonly [key: string]: Part }) =>
      new Entries({ r: new Entries({ id: this.#id, ...r }), t, y: text("r"), ...ip })
    const token = chance.bytes(chance.of([4, 8, 20]))
    const names = Array.from({ length: chance.below(20) }, () => {
      const port = chance.oneIn(2) && ports.length > 0 ? chance.of(ports) : 1 + chance.below(65_535)
      return Uint8Array.from([...chance.bytes(20), ...loopback(port)])
    })
    const nodes = Buffer.concat(names)
    switch (chance.below(6)) {
      case 0:
        return give({})
      case 1:
        return give({ nodes, token })
      case 2: {
        const values = Array.from({ length: chance.below(30) }, () => Uint8Array.from(loopback(1 + chance.below(9))))
        return give({ nodes, token, values })
      }
      case 3:
        return give({ nodes, token, v: chance.bytes(chance.below(1_000)) })
      case 4:
        return new Entries({ e: [BigInt(chance.of([201, 203, 301, 302])), text("no")], t, y: text("e") })
      default: {
        if (puts.length === 0) return give({ nodes })
        const { k, seq, sig, v } = chance.of(puts)
        return give({ k, nodes, seq: BigInt(seq), sig, token, v })
      }
    }
  }

  /** Up to three changes of the structure, then at times some of the bytes; one message in twelve stays as it is. */
  #spoil(message: Part): Uint8Array {
    const chance = this.#chance
    if (chance.oneIn(12)) return written(message)
    const spoilsBytes = chance.oneIn(5)
    let root = message
    const place = { get: () => root, set: (part: Part) => void (root = part) }
    for (let i = chance.below(spoilsBytes ? 3 : 4); i > 0; i--) this.#change(chance.of(placesIn(place)))
    let bytes = written(root)
    for (let i = spoilsBytes ? 1 + chance.below(2) : 0; i > 0; i--) bytes = this.#changeBytes(bytes)
    return bytes
  }

  #odd(): Part {
    const chance = this.#chance
    switch (chance.below(16)) {
      case 0:
      case 6:
      case 7:
        return chance.of(INTEGERS)
      case 1:
      case 8:
      case 9:
        return chance.bytes(chance.of(LENGTHS))
      case 2:
        return []
      case 3:
        return new Entries({})
      case 4:
        return new Entries({ [chance.of(HOSTILE_NAMES)]: chance.of(INTEGERS) })
      case 5:
        return Array.from({ length: chance.of([1, 3, 300]) }, () => BigInt(chance.below(9)))
      case 10:
        return new Verbatim(text(chance.of(SPELLINGS)))
      default:
        return chance.oneIn(2) ? chance.bytes(chance.below(30)) : BigInt(chance.below(1_000))
    }
  }

  #nested(part: Part): Part {
    const depth = this.#chance.of(DEPTHS)
    const [open, close] = this.#chance.oneIn(2) ? ["l", "e"] : ["d1:a", "e"]
    return new Verbatim(Buffer.concat([text(open.repeat(depth)), written(part), text(close.repeat(depth))]))
  }

  #change(place: Place): void {
    const chance = this.#chance
    const part = place.get()
    if (part instanceof Entries && chance.oneIn(2)) return this.#changeKeys(part)
    if (part instanceof Uint8Array && chance.oneIn(2)) {
      const length = chance.oneIn(2) ? chance.of(LENGTHS) : Math.max(0, part.length + chance.below(5) - 2)
      return place.set(Buffer.concat([part, chance.bytes(length)]).subarray(0, length))
    }
    place.set(chance.oneIn(4) ? this.#nested(part) : this.#odd())
  }

  #changeKeys({ list }: Entries): void {
    const chance = this.#chance
    const at = chance.below(list.length + 1)
    const name = chance.oneIn(4) ? chance.of(HOSTILE_NAMES) : chance.of(NAMES)
    switch (chance.below(5)) {
      case 0:
        return void list.splice(at, 1)
      case 1:
        return void list.splice(at, 0, [name, this.#odd()])
      case 2:
        return void (list.length > 0 && list.splice(at, 0, [...chance.of(list)]))
      case 3:
        return void list.push(...list.splice(0, at))
      default: {
        const entry = list[at]
        if (entry !== undefined) entry[0] = name
      }
    }
  }

  #changeBytes(bytes: Uint8Array): Uint8Array {
    const chance = this.#chance
    const at = chance.below(bytes.length + 1)
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
    switch (chance.below(6)) {
      case 0:
        return head
      case 1:
        return Buffer.concat([bytes, chance.oneIn(2) ? bytes : text("e")])
      case 2:
        return Buffer.concat([head, chance.bytes(1 + chance.below(4)), tail])
      case 3:
        return Buffer.concat([head, tail.subarray(1 + chance.below(4))])
      case 4: {
        // A length that promises more, or less, than there is.
        const whole = Buffer.from(bytes).toString("latin1")
        return text(whole.replace(/\d+:/, `${chance.of([0, 1, 19, 21, 2 ** 31, 2 ** 53])}:`))
      }
      default:
        return Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ (1 << chance.below(8)) : byte))
    }
  }
}
