/**
 * A network on loopback of nodes of both kinds, ours and libtorrent's, that all know each other, and clients of
 * either kind that join it. What it holds of an item is asked node by node, without a client in between.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha1, sha256 } from "../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import type { Salt } from "../../src/protocol/dht/KeyString.ts"
import { layer as ed25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"
import * as Libtorrent from "./Libtorrent.ts"
import * as RawKrpc from "./RawKrpc.ts"

export interface Sizes {
  /** Nodes of ours, and of libtorrent's. */
  readonly ours: number
  readonly theirs: number
}

/** Fewer than the eight closest that libtorrent writes to. */
const BOTH: Sizes = { ours: 4, theirs: 3 }

/** Nodes that clients start from. */
const ENTRANCES = 3

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const saltOf = (text: string): Salt => bytes(text) as Salt

export const infohashOf = (text: string): Infohash => sha1(bytes(text)) as Uint8Array as Infohash

/** A key pair of ours whose seed libtorrent may have too. */
export const keyOf = Effect.fnUntraced(function* (label: string) {
  const seed = sha256(bytes(label))
  const pair = yield* KeyPair.fromSeed(seed)
  return { pair, seed, publicKey: pair.publicKey }
}, Effect.provide(ed25519))

const joined = (bootstrap: ReadonlyArray<string>) =>
  Layer.build(MainlineDht.layer({ host: Testnet.HOST, port: 0, bootstrap, readOnly: true })).pipe(
    Effect.map((context) => Context.get(context, Dht))
  )

const make = Effect.fnUntraced(function* (sizes: Sizes) {
  const { nodes } = yield* Testnet.make(sizes.ours)
  const ours = nodes.map(({ host, port }) => `${host}:${port}`)
  const libtorrents: Array<Libtorrent.LibtorrentNode> = []
  const theirs: Array<string> = []
  for (let i = 0; i < sizes.theirs; i++) {
    // libtorrent keeps the nodes that it starts from out of its table: one is the least that it then does not know.
    const entrance = [...ours, ...theirs].slice(0, i + 1).at(-1)
    const node = yield* Libtorrent.start({ bootstrap: entrance === undefined ? [] : [entrance] })
    libtorrents.push(node)
    theirs.push(node.address)
  }
  const bootstrap = [...ours, ...theirs].slice(0, ENTRANCES)
  const raw = yield* RawKrpc.make
  // Clients stay as long as the network: libtorrent lists whoever has put, and waits for those that are gone.
  const us = yield* joined(bootstrap)
  const reader = yield* joined(bootstrap)
  return {
    bootstrap,
    raw,
    /** Nodes of ours and of libtorrent's, and their addresses. */
    nodes,
    ours,
    libtorrents,
    theirs,
    /** Two clients of ours that store nothing for others: one for writing, one for reading. */
    us,
    reader,
    /** Which nodes give the value (in its bencoded form or as it is), each asked by itself. */
    holders: Effect.fnUntraced(function* (target: Uint8Array, value: Uint8Array) {
      const held: Array<string> = []
      for (const address of [...ours, ...theirs]) {
        const reply = yield* raw.get(address, target)
        const v = typeof reply === "object" ? reply["v"] : undefined
        if (v instanceof Uint8Array && Bytes.Equivalence(v, value)) held.push(address)
      }
      return held
    })
  }
}, Effect.provide(ed25519))

export class MixedNetwork extends Context.Service<MixedNetwork, Effect.Success<ReturnType<typeof make>>>()(
  "libreseed/test/MixedNetwork"
) {
  /** Started once for the tests that share it. */
  static readonly layerOf = (sizes: Sizes) => Layer.effect(MixedNetwork, make(sizes))
  static readonly layer = MixedNetwork.layerOf(BOTH)
}
