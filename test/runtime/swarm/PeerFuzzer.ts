/**
 * A structure-aware fuzzer of the peer wire: valid messages of every kind (BEP 3, 5, 6, 9, 10 and `ls_topic`) around
 * the edges of a torrent, then changed in their lengths and bytes, and cut anywhere. One seed gives one stream.
 */
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import type { Shape } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import * as TopicMessage from "../../../src/runtime/swarm/topic/TopicMessage.ts"
import { Id } from "../../../src/runtime/swarm/WireFrame.ts"
import type { Chance } from "../dht/FuzzChance.ts"
import { message } from "./RawPeer.ts"

const BLOCK = 16_384
const NUMBERS = [0, 1, 2, 255, 16_383, 16_384, 16_385, 32_768, 65_535, 2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
const IDS = [...Object.values(Id), 10, 11, 12, 18, 21, 255]
const PREFIXES = [0, 1, 2, 5, 13, 14, 16_393, 17_409, 17_410, 17_411, 2 ** 16, 2 ** 24, 2 ** 31, 2 ** 32 - 1]
const NAMES = [
  ExtensionMessage.UT_METADATA,
  TopicMessage.NAME,
  "ut_pex",
  "__proto__",
  "constructor",
  "",
  "x".repeat(99)
]

export class PeerFuzzer {
  readonly chance: Chance
  readonly #shape: Shape
  readonly #infohash: Infohash

  constructor(chance: Chance, shape: Shape, infohash: Infohash) {
    this.chance = chance
    this.#shape = shape
    this.#infohash = infohash
  }

  /** The 68 bytes, right as a rule. */
  handshake(isFast: boolean): Uint8Array {
    const { chance } = this
    const bytes = Handshake.encode(this.#infohash, chance.bytes(20), { fast: isFast, dht: chance.oneIn(2) })
    return chance.oneIn(8) ? this.mutated(bytes) : bytes
  }

  /** Messages, few of them wrong: a connection ends with the first that is. */
  stream(messages: number, wrongOneIn: number): Buffer {
    const { chance } = this
    return Buffer.concat(
      Array.from({ length: messages }, () => (chance.oneIn(wrongOneIn) ? this.mutated(this.frame()) : this.frame()))
    )
  }

  /** The same bytes in chunks. */
  chunks(bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    const chunks: Array<Uint8Array> = []
    const most = this.chance.of([3, 100, BLOCK, 70_000])
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + this.chance.below(most))
      chunks.push(bytes.slice(at, end))
      at = end
    }
    return chunks
  }

  mutated(bytes: Uint8Array): Uint8Array {
    const { chance } = this
    const changed = Buffer.from(bytes)
    const at = chance.below(changed.length)
    switch (chance.below(5)) {
      case 0:
        return changed.subarray(0, at)
      case 1:
        changed[at]! ^= 1 << chance.below(8)
        return changed
      case 2:
        if (changed.length >= 4) changed.writeUInt32BE(chance.of(PREFIXES))
        return changed
      case 3:
        return Buffer.concat([changed.subarray(0, at), chance.bytes(chance.below(40)), changed.subarray(at)])
      default:
        changed[Math.min(4, changed.length - 1)] = chance.of(IDS)
        return changed
    }
  }

  /** One message, most probably a legal one. */
  frame(): Uint8Array {
    const { chance } = this
    const id = chance.of(IDS)
    switch (id) {
      case Id.have:
      case Id.suggest:
      case Id.allowedFast:
        return message(id, this.#index())
      case Id.bitfield:
        return message(id, this.#bitfield())
      case Id.request:
      case Id.cancel:
      case Id.reject:
        return message(id, ...this.#block())
      case Id.piece: {
        const [index, offset, length] = this.#block()
        return message(id, index, offset, new Uint8Array(Math.min(length, 2 * BLOCK)).fill(7))
      }
      case Id.port:
        return message(id, chance.bytes(2))
      case Id.extended: {
        const [extension, payload] = this.#extended()
        return message(id, Uint8Array.of(extension), payload)
      }
      default:
        return message(id)
    }
  }

  /** A message of an extension and the id under which it goes. */
  #extended(): readonly [id: number, payload: Uint8Array] {
    const { chance } = this
    const id = chance.below(4)
    if (chance.oneIn(8)) return [id, chance.bytes(chance.below(200))]
    const payload = id === 0 ? this.handshakePayload() : this.extensionPayload()
    return [id, chance.oneIn(6) && payload.length > 0 ? this.mutated(payload) : payload]
  }

  handshakePayload(): Uint8Array {
    const { chance } = this
    return Bencode.encode({
      m: Object.fromEntries(NAMES.filter(() => chance.oneIn(2)).map((name) => [name, chance.below(300)])),
      metadata_size: chance.oneIn(3) ? chance.of(NUMBERS) : chance.below(40_000),
      p: chance.of(NUMBERS),
      reqq: chance.of(NUMBERS),
      v: chance.bytes(chance.below(100))
    })
  }

  extensionPayload(): Uint8Array {
    const { chance } = this
    const number = chance.oneIn(2) ? chance.below(3) : chance.of(NUMBERS)
    switch (chance.below(5)) {
      case 0:
        return ExtensionMessage.encodeRequest(number)
      case 1:
        return ExtensionMessage.encodeReject(number)
      case 2:
        return Buffer.concat([
          Bencode.encode({ msg_type: 1, piece: number, total_size: chance.of(NUMBERS) }),
          chance.bytes(chance.below(600))
        ])
      case 3:
        return Bencode.encode({ q: number, t: chance.oneIn(2) ? this.#infohash : chance.bytes(chance.below(24)) })
      default:
        return Bencode.encode({
          a: number,
          c: Array.from({ length: chance.below(4) }, () => chance.bytes(chance.below(80))),
          ...(chance.oneIn(2) ? { e: chance.below(2) } : {}),
          r: Array.from({ length: chance.below(4) }, () => chance.bytes(chance.below(80)))
        })
    }
  }

  #index(): number {
    const { chance } = this
    return chance.oneIn(60) ? chance.of(NUMBERS) : chance.below(this.#shape.pieceCount)
  }

  #block(): readonly [index: number, offset: number, length: number] {
    const { chance } = this
    const index = this.#index()
    const end = Math.min(this.#shape.pieceLength, this.#shape.totalLength - index * this.#shape.pieceLength)
    const offset = chance.oneIn(40) ? chance.of(NUMBERS) : BLOCK * chance.below(Math.max(1, Math.ceil(end / BLOCK)))
    const length = chance.oneIn(40) ? chance.of(NUMBERS) : Math.max(0, Math.min(BLOCK, end - offset))
    return [index, offset, length]
  }

  #bitfield(): Uint8Array {
    const { chance } = this
    const { pieceCount } = this.#shape
    const bytes = chance.bytes(chance.oneIn(30) ? chance.below(100) : Math.ceil(pieceCount / 8))
    if (bytes.length > 0 && !chance.oneIn(30)) bytes[bytes.length - 1]! &= 0xff << (bytes.length * 8 - pieceCount)
    return bytes
  }
}
