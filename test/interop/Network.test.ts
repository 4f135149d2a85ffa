/** A network of nodes of both kinds: what anybody puts, everybody finds. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "../../src/protocol/dht/Record.ts"
import { layer as ed25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import { bytes, keyOf, MixedNetwork, saltOf } from "./MixedNetwork.ts"
import * as Requirement from "./Requirement.ts"

/** More than the eight closest that libtorrent asks, so that not everybody holds everything. */
const SIZES = { ours: 9, theirs: 4 }

Requirement.describeUnless(Requirement.libtorrent, "a network of nodes of ours and of libtorrent's", () => {
  layer(MixedNetwork.layerOf(SIZES), { excludeTestServices: true })("of more nodes than one look-up asks", (it) => {
    it.effect("every item that is put through any node is found through every other", () =>
      Effect.gen(function* () {
        const { libtorrents, nodes } = yield* MixedNetwork
        const clients = yield* Effect.forEach(nodes, MainlineDht.fromNode).pipe(Effect.provide(ed25519))
        const salt = saltOf("network")
        const seeded = (label: string) => Effect.map(keyOf(label), (key) => ({ key, value: bytes(label) }))

        const ofOurs = yield* Effect.forEach(clients, (client, i) =>
          Effect.gen(function* () {
            const item = yield* seeded(`node ${i} of ours`)
            const { acks } = yield* client.put(Record.sign(item.key.pair, { salt, seq: 1, value: item.value }))
            assert.isAtLeast(acks, 8)
            assert.isAtLeast((yield* client.putImmutable(item.value)).acks, 8)
            return item
          })
        )
        const ofTheirs = yield* Effect.forEach(libtorrents, (node, i) =>
          Effect.gen(function* () {
            const item = yield* seeded(`node ${i} of libtorrent's`)
            assert.isAtLeast((yield* node.putMutable(item.key, salt, item.value)).stored, 7)
            assert.isAtLeast((yield* node.putImmutable(item.value)).stored, 7)
            return item
          })
        )

        for (const { key, value } of [...ofOurs, ...ofTheirs]) {
          const target = Record.immutableTargetOf(value)
          for (const client of clients) {
            const record = Option.getOrThrow(yield* client.get(key.publicKey, salt))
            assert.deepStrictEqual(Uint8Array.from(record.value), value)
            const item = Option.getOrThrow(yield* client.getImmutable(target))
            assert.deepStrictEqual(Uint8Array.from(item), value)
          }
          for (const node of libtorrents) {
            assert.deepStrictEqual((yield* node.getMutable(key.publicKey, salt)).value, value)
            assert.deepStrictEqual((yield* node.getImmutable(target)).value, value)
          }
        }
      })
    )
  })
})
