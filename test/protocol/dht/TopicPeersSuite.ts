/**
 * What every `TopicPeers` must do, whatever carries the answers. A layer passes by giving a
 * {@link World}: hosts that can reach each other.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import {
  ANSWER_ITEM_MAX_BYTES,
  ANSWER_ITEMS_MAX,
  noAnswer,
  PEERS_ASKED_MAX,
  type TopicAnswer,
  type TopicPeers
} from "../../../src/protocol/dht/TopicPeers.ts"

export interface World {
  /** Another host, up until the scope closes. */
  readonly host: Effect.Effect<TopicPeers["Service"], unknown, Scope.Scope>
  /** Lets the time pass that an asker waits for peers that keep silent; nothing where time passes by itself. */
  readonly elapse: Effect.Effect<void>
}

const text = (value: string) => new TextEncoder().encode(value)
const topic = (label: string) => sha1(text(label)) as Uint8Array as Infohash
const answer = (...labels: ReadonlyArray<string>): TopicAnswer => ({
  claims: labels.map((label) => text(`claim ${label}`)),
  records: labels.map((label) => text(`record ${label}`))
})

const claimsOf = (answers: ReadonlyArray<TopicAnswer>) =>
  answers
    .flatMap(({ claims }) => claims)
    .map((claim) => new TextDecoder().decode(claim))
    .toSorted()

/**
 * `world` must have no hosts yet each time. With `isLive`, time is that of the machine. `run` takes each test to where
 * the hosts live, for a world that has a time of its own.
 */
export const suite = (
  label: string,
  world: Effect.Effect<World, unknown, Scope.Scope>,
  isLive: boolean,
  run: (test: Effect.Effect<void, unknown>) => Effect.Effect<void, unknown> = (test) => test
) =>
  describe(`TopicPeers: ${label}`, () => {
    const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
      (isLive ? it.live : it.effect)(title, () => run(Effect.scoped(Effect.flatMap(world, body))))

    test("gives no answers where nobody serves", ({ host }) =>
      Effect.gen(function* () {
        const asker = yield* host
        assert.deepStrictEqual(yield* asker.ask(topic("a")), [])
      }))

    test("gives the answer of every host that serves the topic, byte for byte, and of no other topic", ({ host }) =>
      Effect.gen(function* () {
        const [asker, first, second] = [yield* host, yield* host, yield* host]
        yield* first.serve(topic("a"), Effect.succeed(answer("1", "2")))
        yield* second.serve(topic("a"), Effect.succeed(answer("3")))
        yield* second.serve(topic("b"), Effect.succeed(answer("4")))
        const answers = yield* asker.ask(topic("a"))
        assert.deepStrictEqual(claimsOf(answers), ["claim 1", "claim 2", "claim 3"])
        assert.isTrue(answers.some(({ records }) => records.length === 2))
        assert.deepStrictEqual(claimsOf(yield* asker.ask(topic("b"))), ["claim 4"])
      }))

    test("does not ask the own host", ({ host }) =>
      Effect.gen(function* () {
        const [self, other] = [yield* host, yield* host]
        yield* self.serve(topic("a"), Effect.succeed(answer("own")))
        yield* other.serve(topic("a"), Effect.succeed(answer("other")))
        assert.deepStrictEqual(claimsOf(yield* self.ask(topic("a"))), ["claim other"])
      }))

    test("answers with what is held at the time of the question", ({ host }) =>
      Effect.gen(function* () {
        const [asker, server] = [yield* host, yield* host]
        let held = answer("old")
        yield* server.serve(
          topic("a"),
          Effect.sync(() => held)
        )
        held = answer("new")
        assert.deepStrictEqual(claimsOf(yield* asker.ask(topic("a"))), ["claim new"])
      }))

    test("stops answering when the scope of serving closes", ({ host }) =>
      Effect.gen(function* () {
        const [asker, server] = [yield* host, yield* host]
        const scope = yield* Scope.make()
        yield* Scope.provide(server.serve(topic("a"), Effect.succeed(answer("1"))), scope)
        assert.strictEqual((yield* asker.ask(topic("a"))).length, 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(claimsOf(yield* asker.ask(topic("a"))), [])
      }))

    test("takes no more of an answer than it may have", ({ host }) =>
      Effect.gen(function* () {
        const [asker, server] = [yield* host, yield* host]
        const many = (length: number, bytes: number) => Array.from({ length }, () => new Uint8Array(bytes))
        const given = Effect.fnUntraced(function* (claims: number, records: number, bytes: number) {
          const served = { claims: many(claims, bytes), records: many(records, bytes) }
          yield* server.serve(topic("a"), Effect.succeed(served))
          return (yield* asker.ask(topic("a")))[0] ?? noAnswer
        }, Effect.scoped)
        const counts = ({ claims, records }: TopicAnswer) => [claims.length, records.length]
        assert.deepStrictEqual(counts(yield* given(ANSWER_ITEMS_MAX, 0, 10)), [ANSWER_ITEMS_MAX, 0])
        assert.deepStrictEqual(counts(yield* given(ANSWER_ITEMS_MAX + 1, 5, 10)), [ANSWER_ITEMS_MAX, 0])
        assert.deepStrictEqual(counts(yield* given(ANSWER_ITEMS_MAX - 3, 5, 10)), [ANSWER_ITEMS_MAX - 3, 3])
        assert.deepStrictEqual(counts(yield* given(2, 2, ANSWER_ITEM_MAX_BYTES)), [2, 2])
        assert.deepStrictEqual(counts(yield* given(2, 2, ANSWER_ITEM_MAX_BYTES + 1)), [0, 0])
      }))

    test("goes without peers that break or keep silent, and waits no longer than it may", ({ elapse, host }) =>
      Effect.gen(function* () {
        const [asker, broken, silent, honest] = [yield* host, yield* host, yield* host, yield* host]
        yield* broken.serve(topic("a"), Effect.die("broken"))
        yield* silent.serve(topic("a"), Effect.never)
        yield* honest.serve(topic("a"), Effect.succeed(answer("1")))
        const asking = yield* Effect.forkChild(asker.ask(topic("a")), { startImmediately: true })
        yield* elapse
        assert.deepStrictEqual(claimsOf(yield* Fiber.join(asking)), ["claim 1"])
      }))

    test("asks a bounded number of peers", ({ host }) =>
      Effect.gen(function* () {
        const asker = yield* host
        for (let i = 0; i < PEERS_ASKED_MAX + 4; i++) {
          const server = yield* host
          yield* server.serve(topic("a"), Effect.succeed(answer(`${i}`)))
        }
        assert.strictEqual((yield* asker.ask(topic("a"))).length, PEERS_ASKED_MAX)
      }))
  })
