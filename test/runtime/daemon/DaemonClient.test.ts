import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../src/protocol/core/Infohash.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as DhtErrors from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as DaemonCalls from "../../../src/runtime/daemon/DaemonCalls.ts"
import * as DaemonPlace from "../../../src/runtime/daemon/DaemonPlace.ts"
import * as DhtRpc from "../../../src/runtime/daemon/DhtRpc.ts"
import * as Daemons from "./Daemons.ts"

const text = (value: string) => new TextEncoder().encode(value)

const recordOf = (label: string, seq = 1) =>
  Effect.map(KeyPair.fromSeed(sha256(text(label))), (pair) =>
    Record.sign(pair, { salt: KeyString.saltOf(label), seq, value: text(label) })
  )

/** A daemon that can be ended before the test is. */
const mortal = Effect.fnUntraced(function* (home: string, dht: Dht["Service"]) {
  const scope = yield* Scope.make()
  yield* Daemons.serve(home, dht).pipe(Scope.provide(scope))
  return { end: Scope.close(scope, Exit.void) }
})

/** Whatever it is asked, it never answers. */
const silent = Dht.of({
  lookup: () => Effect.never,
  get: () => Effect.never,
  holders: () => Effect.never,
  put: () => Effect.never,
  lookupImmutable: () => Effect.never,
  getImmutable: () => Effect.never,
  holdersImmutable: () => Effect.never,
  putImmutable: () => Effect.never,
  announcePeer: () => Effect.never,
  findPeers: () => Effect.never,
  nodeCount: Effect.succeed(1)
})

/** Listens like a daemon, says hello, and answers nothing after that. */
const mute = (path: string, onQuestion: () => void) =>
  Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => {})
        socket.on("data", (bytes) => {
          for (const line of String(bytes).trim().split("\n")) {
            const message = JSON.parse(line)
            if (message.tag === "hello") {
              const value = {
                protocol: DhtRpc.PROTOCOL_VERSION,
                version: "0.0.0",
                pid: process.pid,
                command: "daemon",
                network: Daemons.NETWORK,
                nodes: 1
              }
              socket.write(
                `${JSON.stringify({ _tag: "Exit", requestId: message.id, exit: { _tag: "Success", value } })}\n`
              )
            } else onQuestion()
          }
        })
      }).listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

const live = <A, E>(title: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body).pipe(Effect.provide(Daemons.platform)))

describe("DaemonClient", () => {
  live(
    "asks the daemon, and builds no node of its own",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const dht = yield* Daemons.inMemory()
      const { counters } = yield* Daemons.serve(home, dht)
      const command = yield* Daemons.command(home, Daemons.unneeded)
      const record = yield* recordOf("asks").pipe(Effect.provide(Daemons.platform))
      yield* command.put(record)
      assert.isTrue(Option.isSome(yield* dht.get(record.publicKey, record.salt)))
      assert.strictEqual(counters().questions, 2, "hello and put")
    })
  )

  live(
    "is a node of its own where there is no daemon",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
      yield* Daemons.command(home, layer)
      assert.strictEqual(built.times, 1)
    })
  )

  for (const [what, network] of [
    ["another network", DhtRpc.networkOf({ isPublic: false, bootstrap: ["127.0.0.1:20002"] })],
    ["a part of the network's entrances", DhtRpc.networkOf({ isPublic: false, bootstrap: [] })],
    ["the public network", DhtRpc.networkOf({ isPublic: true, bootstrap: ["127.0.0.1:20001"] })]
  ] as const) {
    live(
      `is a node of its own where ${what} is meant`,
      Effect.gen(function* () {
        const home = yield* Daemons.home
        yield* Daemons.serve(home, silent)
        const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
        const command = yield* Daemons.command(home, layer, network)
        assert.strictEqual(built.times, 1)
        yield* command.findPeers(sha1(text("x")) as Uint8Array as Infohash)
      })
    )
  }

  live(
    "is a node of its own where something listens and does not say who it is",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const server = yield* Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer().listen(DaemonPlace.placeOf(home).path, () => resume(Effect.succeed(server)))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
      yield* Effect.scoped(Daemons.command(home, layer, Daemons.NETWORK, DaemonCalls.PROBE_MAX_MS))
      assert.strictEqual(built.times, 1)
    })
  )

  live(
    "asks again with a node of its own what the daemon owed when it died, and everything after that",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const daemon = yield* mortal(home, silent)
      const dht = yield* Daemons.inMemory()
      const { built, layer } = Daemons.counted(dht)
      const command = yield* Daemons.command(home, layer)
      const record = yield* recordOf("dies").pipe(Effect.provide(Daemons.platform))
      assert.strictEqual(built.times, 0)
      const waiting = yield* Effect.forkScoped(
        Effect.all([command.put(record), command.putImmutable(text("also"))], { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* daemon.end
      const [put] = yield* Fiber.join(waiting)
      assert.strictEqual(put.acks, 1)
      assert.isTrue(Option.isSome(yield* dht.get(record.publicKey, record.salt)))
      assert.isTrue(Option.isSome(yield* command.get(record.publicKey, record.salt)))
      assert.strictEqual(yield* command.nodeCount, 1)
      assert.strictEqual(built.times, 1, "one node for everything")
    })
  )

  describe("puts with a node of its own what the daemon was to put in place of another record when it died", () => {
    /** Version 1 is there; the daemon does this with version 2 and dies of it. */
    const dying = Effect.fnUntraced(function* (
      work: (dht: Dht["Service"], record: Record.Record) => Effect.Effect<unknown, DhtErrors.DhtError>
    ) {
      const home = yield* Daemons.home
      const dht = yield* Daemons.inMemory()
      yield* dht.put(yield* recordOf("cas"))
      const put = (record: Record.Record) => Effect.andThen(work(dht, record), Effect.die("killed"))
      yield* Daemons.serve(home, Dht.of({ ...silent, put }))
      const command = yield* Daemons.command(home, Daemons.counted(dht).layer)
      const record = yield* recordOf("cas", 2)
      const outcome = yield* Effect.result(command.put(record, { cas: 1 }))
      const there = Option.getOrThrow(yield* dht.get(record.publicKey, record.salt))
      return { outcome, isThere: Record.isSame(there, record) }
    }, Effect.provide(Daemons.platform))

    live(
      "where that was not done",
      Effect.gen(function* () {
        const { isThere, outcome } = yield* dying(() => Effect.void)
        assert.isTrue(Result.isSuccess(outcome))
        assert.isTrue(isThere)
      })
    )

    live(
      "where that was done: the record is no conflict with itself",
      Effect.gen(function* () {
        const { isThere, outcome } = yield* dying((dht, record) => dht.put(record, { cas: 1 }))
        assert.strictEqual(Result.getOrThrow(outcome).acks, 1)
        assert.isTrue(isThere)
      })
    )

    live(
      "but not where another record has come in between",
      Effect.gen(function* () {
        const other = Effect.map(KeyPair.fromSeed(sha256(text("cas"))), (pair) =>
          Record.sign(pair, { salt: KeyString.saltOf("cas"), seq: 2, value: text("another") })
        ).pipe(Effect.provide(Daemons.platform))
        const { isThere, outcome } = yield* dying((dht) => Effect.flatMap(other, (record) => dht.put(record)))
        assert.strictEqual(Result.isFailure(outcome) ? outcome.failure.reason._tag : "stored", "CasConflict")
        assert.isFalse(isThere)
      })
    )
  })

  live(
    "says why no node of its own can be had, where the daemon died and that fails too",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const daemon = yield* mortal(home, silent)
      const reason = new DhtErrors.SocketFailed({ address: "127.0.0.1:1", problem: "EADDRINUSE" })
      const own = Layer.effect(Dht, Effect.fail(new DhtErrors.DhtError({ reason })))
      const command = yield* Daemons.command(home, own)
      yield* daemon.end
      const error = yield* Effect.flip(command.findPeers(sha1(text("y")) as Uint8Array as Infohash))
      assert.strictEqual(error.reason._tag, "SocketFailed")
      assert.strictEqual(yield* command.nodeCount, 0)
    })
  )

  live(
    "lets a question go on for the others when who asked it first gives up",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const asked = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const dht = Dht.of({
        ...silent,
        findPeers: () =>
          Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          )
      })
      yield* Daemons.serve(home, dht)
      const command = yield* Daemons.command(home, Daemons.unneeded)
      const asking = yield* Effect.forkScoped(command.findPeers(sha1(text("z")) as Uint8Array as Infohash))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(asking)
      // The daemon stops its work too, and serves on; nobody went for an own node, which would have died.
      yield* Deferred.await(stopped)
      assert.strictEqual(yield* command.nodeCount, 1)
    })
  )

  const { InvalidRecord } = Record
  const reasons: ReadonlyArray<DhtErrors.DhtError["reason"]> = [
    new DhtErrors.NoNodes({ bootstrap: ["127.0.0.1:9"] }),
    new DhtErrors.CasConflict({ target: "aa", expectedSeq: 3 }),
    new DhtErrors.StaleSeq({ target: "aa", seq: 3 }),
    new DhtErrors.PutRefused({ target: "aa", problem: "nobody wanted it" }),
    new DhtErrors.InvalidReply({ target: "aa", problem: "odd" }),
    new DhtErrors.TooFewAcks({ subject: "the item", acks: 1, needed: 8 }),
    new DhtErrors.TooFewAnswers({ target: "aa", asked: 20, answered: 1 }),
    new DhtErrors.TooFewNetworks({ subject: "the item", networks: 1, needed: 2 }),
    new InvalidRecord({ subject: "aa", problem: "its signature does not hold" })
  ]
  for (const reason of reasons) {
    live(
      `hands on ${reason._tag} as it is`,
      Effect.gen(function* () {
        const home = yield* Daemons.home
        const error = new DhtErrors.DhtError({ reason })
        yield* Daemons.serve(home, Dht.of({ ...silent, put: () => Effect.fail(error) }))
        const command = yield* Daemons.command(home, Daemons.unneeded)
        const record = yield* recordOf("error").pipe(Effect.provide(Daemons.platform))
        const got = yield* Effect.flip(command.put(record))
        assert.instanceOf(got, DhtErrors.DhtError)
        assert.strictEqual(got.reason._tag, reason._tag)
        assert.strictEqual(got.message, error.message)
        assert.deepStrictEqual({ ...got.reason }, { ...reason })
      })
    )
  }

  live(
    "goes on with a node of its own where the daemon's socket to the network is broken",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const reason = new DhtErrors.SocketFailed({ address: "0.0.0.0:1", problem: "it was closed" })
      yield* Daemons.serve(home, Dht.of({ ...silent, findPeers: () => new DhtErrors.DhtError({ reason }) }))
      const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
      const command = yield* Daemons.command(home, layer)
      assert.deepStrictEqual(yield* command.findPeers(sha1(text("w")) as Uint8Array as Infohash), [])
      assert.strictEqual(built.times, 1)
    })
  )

  describe("believes nothing that it cannot verify, and asks such a daemon no more", () => {
    /** What the daemon says, with the honest network that the own node finds. */
    const lying = (title: string, lie: (record: Record.Record, other: Record.Record) => Partial<Dht["Service"]>) =>
      live(
        title,
        Effect.gen(function* () {
          const home = yield* Daemons.home
          const record = yield* recordOf("true").pipe(Effect.provide(Daemons.platform))
          const other = yield* recordOf("other").pipe(Effect.provide(Daemons.platform))
          yield* Daemons.serve(home, Dht.of({ ...silent, ...lie(record, other) }))
          const honest = yield* Daemons.inMemory(DhtMemory.make())
          yield* honest.put(record)
          const { target } = yield* honest.putImmutable(text("true"))
          const { built, layer } = Daemons.counted(honest)
          const command = yield* Daemons.command(home, layer)
          const got = yield* command.get(record.publicKey, record.salt)
          assert.deepStrictEqual(Uint8Array.from(Option.getOrThrow(got).value), text("true"))
          const { value } = yield* command.lookupImmutable(target)
          assert.deepStrictEqual(Uint8Array.from(Option.getOrThrow(value)), text("true"))
          assert.strictEqual(built.times, 1)
        })
      )

    lying("a record whose value was changed", (record) => ({
      get: () => Effect.succeedSome({ ...record, value: text("false") })
    }))
    lying("a record with another number", (record) => ({ get: () => Effect.succeedSome({ ...record, seq: 9 }) }))
    lying("a valid record of another place", (_, other) => ({ get: () => Effect.succeedSome(other) }))
    lying("an immutable value with another hash", (record) => ({
      get: () => Effect.succeedSome(record),
      lookupImmutable: () => Effect.succeed({ value: Option.some(text("false")), responders: [] })
    }))
    lying("a rival that was never signed", (record) => ({
      get: () => Effect.succeedSome(record),
      lookupImmutable: () =>
        Effect.succeed({ value: Option.some(text("true")), rivals: [text("made up")], responders: [] })
    }))
  })

  live(
    "gives up a probe where the daemon hangs before its hello",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      yield* Daemons.serve(home, Dht.of({ ...silent, nodeCount: Effect.never }))
      assert.isTrue(Option.isNone(yield* DaemonCalls.open(DaemonPlace.placeOf(home).path)))
    })
  )

  it.effect("goes on with a node of its own where the daemon falls silent in the middle of its work", () =>
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const asked = yield* Deferred.make<void>()
      yield* mute(DaemonPlace.placeOf(home).path, () => Deferred.doneUnsafe(asked, Effect.void))
      const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
      const command = yield* Daemons.command(home, layer)
      const asking = yield* Effect.forkScoped(command.findPeers(sha1(text("m")) as Uint8Array as Infohash))
      yield* Deferred.await(asked)
      assert.strictEqual(built.times, 0)
      yield* TestClock.adjust(2 * DaemonCalls.SILENCE_MAX_MS)
      assert.deepStrictEqual(yield* Fiber.join(asking), [])
      assert.strictEqual(built.times, 1)
    }).pipe(Effect.scoped, Effect.provide(Daemons.platform))
  )

  live(
    "passes over a socket that others could have put there",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      yield* Daemons.serve(home, silent)
      assert.isTrue(DaemonPlace.isOurs(DaemonPlace.placeOf(home)))
      Fs.chmodSync(home, 0o777)
      assert.isFalse(DaemonPlace.isOurs(DaemonPlace.placeOf(home)))
      const { built, layer } = Daemons.counted(yield* Daemons.inMemory())
      yield* Daemons.command(home, layer)
      assert.strictEqual(built.times, 1)
    })
  )

  live(
    "dies of nothing that the daemon says: its faults are found out as defects, and told to nobody",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      yield* Daemons.serve(home, Dht.of({ ...silent, findPeers: () => Effect.die(new Error("a fault in the daemon")) }))
      const { layer } = Daemons.counted(yield* Daemons.inMemory())
      const command = yield* Daemons.command(home, layer)
      const exit = yield* Effect.exit(command.findPeers(sha1(text("v")) as Uint8Array as Infohash))
      assert.isTrue(Exit.isSuccess(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
    })
  )
})
