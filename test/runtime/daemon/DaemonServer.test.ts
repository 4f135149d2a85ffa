import { assert, describe, it, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import type * as DaemonConnections from "../../../src/runtime/daemon/DaemonConnections.ts"
import * as DaemonFrame from "../../../src/runtime/daemon/DaemonFrame.ts"
import * as DaemonPlace from "../../../src/runtime/daemon/DaemonPlace.ts"
import * as Daemons from "./Daemons.ts"

/** A connection as anybody could make one: bytes in, lines out. */
class Raw {
  readonly closed: Promise<void>
  readonly lines: Array<string> = []
  readonly #socket: Net.Socket
  #text = ""
  #watchers: Array<() => void> = []

  constructor(path: string, options: { readonly reads: boolean } = { reads: true }) {
    this.#socket = Net.connect({ path, allowHalfOpen: true })
    this.#socket.on("error", () => {})
    // The other end may have hung up long before ours does.
    this.closed = new Promise((resolve) => this.#socket.once("end", resolve).once("close", () => resolve()))
    if (!options.reads) this.#socket.pause()
    else {
      this.#socket.setEncoding("utf8").on("data", (text: string) => {
        this.#text += text
        const lines = this.#text.split("\n")
        this.#text = lines.pop() ?? ""
        this.lines.push(...lines)
        for (const watcher of this.#watchers.splice(0)) watcher()
      })
    }
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes)
  }

  ask(id: number, tag: string, payload: unknown = null): void {
    this.write(`${JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] })}\n`)
  }

  /** Waits until so many lines have come. */
  async hears(count: number): Promise<ReadonlyArray<string>> {
    while (this.lines.length < count) await new Promise<void>((resolve) => this.#watchers.push(resolve))
    return this.lines
  }

  half(): void {
    this.#socket.end()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

const raw = (path: string, options?: { readonly reads: boolean }) =>
  Effect.acquireRelease(
    Effect.sync(() => new Raw(path, options)),
    (connection) => Effect.sync(() => connection.destroy())
  )

const hello = JSON.stringify({ _tag: "Request", id: 1, tag: "hello", payload: { protocol: 1 }, headers: [] })

const live = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(body).pipe(Effect.provide(Daemons.platform)))

const daemon = Effect.fnUntraced(function* (
  limits: DaemonConnections.Options = {},
  changes: Partial<Dht["Service"]> = {}
) {
  const home = yield* Daemons.home
  const dht = Dht.of({ ...(yield* Daemons.inMemory()), ...changes })
  const served = yield* Daemons.serve(home, dht, { limits })
  return { home, dht, path: served.place.path, counters: served.counters }
})

/** The daemon still answers whoever asks properly. */
const isWell = (home: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const command = yield* Daemons.command(home, Daemons.unneeded)
      assert.strictEqual(yield* command.nodeCount, 1)
    })
  )

describe("DaemonServer", () => {
  live(
    "keeps its socket to its owner, and takes it away when it ends",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const scope = yield* Scope.make()
      const { place } = yield* Daemons.serve(home, yield* Daemons.inMemory()).pipe(Scope.provide(scope))
      const info = Fs.lstatSync(place.path)
      assert.isTrue(info.isSocket())
      assert.strictEqual(info.mode & 0o777, 0o600)
      assert.strictEqual(info.uid, process.getuid?.())
      assert.strictEqual(place.path, Path.join(home, "daemon.sock"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(Fs.readdirSync(home), [])
    })
  )

  live(
    "leaves the umask alone, which every file follows that the process makes meanwhile",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const umask = vi.spyOn(process, "umask")
      yield* Effect.addFinalizer(() => Effect.sync(() => umask.mockRestore()))
      yield* Daemons.serve(home, yield* Daemons.inMemory())
      assert.deepStrictEqual(umask.mock.calls, [])
      assert.deepStrictEqual(Fs.readdirSync(home), ["daemon.sock", "daemon.sock.pid"])
    })
  )

  live(
    "makes a home that is not there yet, for its owner alone",
    Effect.gen(function* () {
      const home = Path.join(yield* Daemons.home, "deep", "home")
      yield* Daemons.serve(home, yield* Daemons.inMemory())
      assert.strictEqual(Fs.statSync(home).mode & 0o777, 0o700)
      yield* isWell(home)
    })
  )

  live(
    "never takes the place of a daemon that lives, and names its process",
    Effect.gen(function* () {
      const { home } = yield* daemon()
      const error = yield* Effect.flip(Effect.scoped(Daemons.serve(home, yield* Daemons.inMemory())))
      assert.strictEqual(error.reason._tag, "DaemonRunning")
      assert.include(error.message, `process ${process.pid}`)
      yield* isWell(home)
    })
  )

  live(
    "lets one of several that start at once be the daemon",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const dht = yield* Daemons.inMemory()
      const scope = yield* Effect.scope
      const all = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => Effect.result(Daemons.serve(home, dht).pipe(Scope.provide(scope))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(all.filter(({ _tag }) => _tag === "Success").length, 1)
      yield* isWell(home)
    })
  )

  live(
    "never takes the place of one that hangs either: it lives",
    Effect.gen(function* () {
      const { home } = yield* daemon({}, { nodeCount: Effect.never })
      const error = yield* Effect.flip(Effect.scoped(Daemons.serve(home, yield* Daemons.inMemory())))
      assert.strictEqual(error.reason._tag, "DaemonRunning")
      assert.include(error.message, `process ${process.pid}, which does not answer`)
      assert.include(error.reason.hint, `kill ${process.pid}`)
      assert.notInclude(error.reason.hint, "daemon stop")
    })
  )

  live(
    "is told from a command that serves beside its work, which no daemon stop ends",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const dht = yield* Daemons.inMemory()
      yield* Daemons.serve(home, dht, { command: "seed" })
      const error = yield* Effect.flip(Effect.scoped(Daemons.serve(home, dht)))
      assert.strictEqual(error.reason._tag, "DaemonRunning")
      assert.include(error.message, `ls-cli seed (process ${process.pid})`)
      assert.include(error.reason.hint, "One of the two is enough")
      assert.notInclude(error.reason.hint, "daemon stop")
    })
  )

  live(
    "takes the place of a dead one, and clears away what it left",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const { path } = DaemonPlace.placeOf(home)
      // A process that is killed leaves its socket's file, which nobody listens on.
      yield* Effect.callback<void>((resume) => {
        const server = Net.createServer().listen(`${path}.dead`, () => {
          Fs.renameSync(`${path}.dead`, path)
          server.close(() => resume(Effect.void))
        })
      })
      Fs.mkdirSync(Path.join(home, "d0123abcd"))
      Fs.writeFileSync(Path.join(home, "d0123abcd", "s"), "")
      assert.isTrue(Fs.existsSync(path))
      yield* Daemons.serve(home, yield* Daemons.inMemory())
      assert.isFalse(Fs.existsSync(Path.join(home, "d0123abcd")))
      yield* isWell(home)
    })
  )

  live(
    "does not take its successor's socket away",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      const scope = yield* Scope.make()
      const { place } = yield* Daemons.serve(home, yield* Daemons.inMemory()).pipe(Scope.provide(scope))
      Fs.rmSync(place.path)
      yield* Daemons.serve(home, yield* Daemons.inMemory())
      yield* Scope.close(scope, Exit.void)
      yield* isWell(home)
    })
  )

  live(
    "refuses a home that others can write to",
    Effect.gen(function* () {
      const home = yield* Daemons.home
      Fs.chmodSync(home, 0o770)
      const error = yield* Effect.flip(Daemons.serve(home, yield* Daemons.inMemory()))
      assert.strictEqual(error.reason._tag, "DaemonExposed")
      assert.include(error.message, home)
    })
  )

  live(
    "finds a short place for a home with a long path, the same for commands as for the daemon",
    Effect.gen(function* () {
      const base = yield* Daemons.home
      const room = DaemonPlace.SOCKET_PATH_MAX_BYTES - Buffer.byteLength(Path.join(base, "x", "daemon.sock"))
      const longest = Path.join(base, "x".repeat(room + 1))
      assert.strictEqual(DaemonPlace.placeOf(longest).path, Path.join(longest, "daemon.sock"))
      const longer = Path.join(base, "x".repeat(room + 2))
      const place = DaemonPlace.placeOf(longer)
      assert.notInclude(place.path, "daemon.sock")
      assert.isAtMost(Buffer.byteLength(place.path), DaemonPlace.SOCKET_PATH_MAX_BYTES)
      for (const home of [longest, longer]) {
        yield* Daemons.serve(home, yield* Daemons.inMemory())
        yield* isWell(home)
      }
      assert.strictEqual(Fs.statSync(place.directory).mode & 0o777, 0o700)
    })
  )

  live(
    "answers nobody who does not say hello first",
    Effect.gen(function* () {
      const { counters, home, path } = yield* daemon()
      const rude = yield* raw(path)
      rude.ask(1, "nodeCount")
      yield* Effect.promise(() => rude.closed)
      assert.deepStrictEqual(rude.lines, [])
      assert.strictEqual(counters().dropped, 1)
      yield* isWell(home)
    })
  )

  live(
    "cuts off who says nothing",
    Effect.gen(function* () {
      const { home, path } = yield* daemon({ helloMs: 20 })
      const quiet = yield* raw(path)
      yield* Effect.promise(() => quiet.closed)
      yield* isWell(home)
    })
  )

  live(
    "ends with a client that closes its half",
    Effect.gen(function* () {
      const { home, path } = yield* daemon()
      const leaving = yield* raw(path)
      leaving.write(`${hello}\n`)
      yield* Effect.promise(() => leaving.hears(1))
      leaving.half()
      yield* Effect.promise(() => leaving.closed)
      yield* isWell(home)
    })
  )

  describe("cuts off, and nobody else notices, who sends", () => {
    const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 167 + seed * 31) & 0xff)
    const hostile: ReadonlyArray<readonly [string, string | Uint8Array]> = [
      ["what is not JSON", "{\n"],
      ["bytes of no encoding", Buffer.concat([bytes(512, 7), Buffer.from("\n")])],
      ["a number", "17\n"],
      ["null", "null\n"],
      ["a list of messages", `[${hello}]\n`],
      ["a message of no kind", '{"_tag":"Nonsense"}\n'],
      ["an answer", '{"_tag":"Exit","requestId":1,"exit":{"_tag":"Success","value":1}}\n'],
      ["a question without an id", '{"_tag":"Request","tag":"hello","payload":{"protocol":1}}\n'],
      ["a question with an object for an id", '{"_tag":"Request","id":{},"tag":"hello","payload":{"protocol":1}}\n'],
      ["a question that is called like a part of every object", '{"_tag":"Request","id":1,"tag":"__proto__"}\n'],
      ["the same id twice", `${hello}\n${hello}\n`],
      ["a nest that never ends", `${"[".repeat(DaemonFrame.QUESTION_MAX_CHARS - 1)}\n`],
      ["a line that is too long", `${JSON.stringify("x".repeat(DaemonFrame.QUESTION_MAX_CHARS))}\n`],
      ["a line that does not end", "x".repeat(DaemonFrame.QUESTION_MAX_CHARS + 1)],
      ["megabytes", bytes(4_000_000, 3)]
    ]
    for (const [what, sent] of hostile) {
      live(
        what,
        Effect.gen(function* () {
          const { home, path } = yield* daemon()
          const attacker = yield* raw(path)
          attacker.write(sent)
          yield* Effect.promise(() => attacker.closed)
          yield* isWell(home)
        })
      )
    }
  })

  live(
    "takes a line of the full length, and refuses what is in it by itself",
    Effect.gen(function* () {
      const { path } = yield* daemon()
      const client = yield* raw(path)
      client.write(`${hello}\n`)
      const around = JSON.stringify({ _tag: "Request", id: 2, tag: "putImmutable", payload: { value: "" } })
      const filled = around.replace('""', JSON.stringify("A".repeat(DaemonFrame.QUESTION_MAX_CHARS - around.length)))
      assert.strictEqual(filled.length, DaemonFrame.QUESTION_MAX_CHARS)
      client.write(`${filled}\n`)
      const lines = yield* Effect.promise(() => client.hears(2))
      assert.include(lines[1], '"requestId":2')
      assert.include(lines[1], "Failure")
    })
  )

  for (const [what, tag, payload] of [
    ["an unknown question", "dig", {}],
    ["a key of the wrong length", "get", { publicKey: "AAAA", salt: "AAAA", options: {} }],
    ["a port of no kind", "announcePeer", { infohash: Buffer.alloc(20).toString("base64"), port: 0 }],
    ["a number for a payload", "put", 3],
    ["a record that nobody signed", "put", { record: Buffer.from("d1:ai1ee").toString("base64") }]
  ] as const) {
    live(
      `refuses ${what}, and goes on with the same client`,
      Effect.gen(function* () {
        const { path } = yield* daemon()
        const client = yield* raw(path)
        client.write(`${hello}\n`)
        client.ask(2, tag, payload)
        client.ask(3, "nodeCount")
        const lines = (yield* Effect.promise(() => client.hears(3))).map((line) => JSON.parse(line))
        const exits = new Map(lines.map(({ exit, requestId }) => [requestId, exit]))
        assert.strictEqual(exits.get(2)._tag, "Failure")
        assert.deepStrictEqual(exits.get(3), { _tag: "Success", value: 1 })
      })
    )
  }

  live(
    "takes so many connections and no more, and a new one when one has gone",
    Effect.gen(function* () {
      const { counters, path } = yield* daemon({ connectionsMax: 2 })
      const greet = Effect.gen(function* () {
        const client = yield* raw(path)
        client.write(`${hello}\n`)
        yield* Effect.promise(() => client.hears(1))
        return client
      })
      const first = yield* greet
      yield* greet
      const third = yield* raw(path)
      yield* Effect.promise(() => third.closed)
      assert.deepStrictEqual({ ...counters(), questions: 0 }, { open: 2, dropped: 1, questions: 0 })
      first.half()
      yield* Effect.promise(() => first.closed)
      yield* greet
    })
  )

  live(
    "works on so many questions of one client at a time, and takes up the next when one is answered",
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const all = yield* Deferred.make<void>()
      let running = 0
      let most = 0
      const { path } = yield* daemon(
        {},
        {
          findPeers: () =>
            Effect.gen(function* () {
              running++
              most = Math.max(most, running)
              if (running === DaemonFrame.QUESTIONS_AT_ONCE_MAX) yield* Deferred.succeed(all, undefined)
              yield* Deferred.await(gate)
              running--
              return []
            })
        }
      )
      const client = yield* raw(path)
      client.write(`${hello}\n`)
      const count = DaemonFrame.QUESTIONS_AT_ONCE_MAX + 8
      const infohash = Buffer.alloc(20).toString("base64")
      for (let id = 2; id < 2 + count; id++) client.ask(id, "findPeers", { infohash })
      yield* Deferred.await(all)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.promise(() => client.hears(1 + count))
      assert.isAtMost(most, DaemonFrame.QUESTIONS_AT_ONCE_MAX)
    })
  )

  live(
    "drops who asks and does not fetch the answers",
    Effect.gen(function* () {
      const peers = Array.from({ length: 4096 }, (_, i) => new PeerAddress({ host: "10.0.0.1", port: i + 1 }))
      const { counters, home, path } = yield* daemon(
        { unreadMaxBytes: 512 * 1024 },
        { findPeers: () => Effect.succeed(peers) }
      )
      const greedy = yield* raw(path, { reads: false })
      greedy.write(`${hello}\n`)
      const infohash = Buffer.alloc(20).toString("base64")
      for (let id = 2; id < 60; id++) greedy.ask(id, "findPeers", { infohash })
      while (counters().dropped === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      greedy.resume()
      yield* Effect.promise(() => greedy.closed)
      yield* isWell(home)
    })
  )
})
