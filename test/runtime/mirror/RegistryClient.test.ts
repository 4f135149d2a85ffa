import type * as Http from "node:http"
import * as Zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as NpmRegistry from "../../../scripts/NpmRegistry.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as RegistryClient from "../../../src/runtime/mirror/RegistryClient.ts"
import { offer } from "./Registries.ts"

/** Some 80 kB that become more than a packument may have. */
const bomb = Zlib.gzipSync(Buffer.alloc(RegistryClient.PACKUMENT_MAX_BYTES + 1))

type Handler = (path: string, request: Http.IncomingMessage, response: Http.ServerResponse) => boolean

/** For one answer. */
const LIMIT = "60 seconds"

const open = (url: string) =>
  RegistryClient.make({
    registry: new URL(url),
    rate: 1000,
    concurrency: 4,
    userAgent: "ls-cli/1 (test)",
    limit: LIMIT
  })

/** A client of a registry that answers like this. */
const clientOf = (intercept: Handler) =>
  Effect.gen(function* () {
    const registry = yield* NpmRegistry.make([offer("a", "1.0.0")], { intercept })
    return { registry, client: yield* open(registry.url) }
  })

const codeOf = (error: unknown) => explain(error)?._tag

const failure = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.map(Effect.flip(work), codeOf)

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Lets virtual time pass, `step` at each turn of the event loop, until the work is done. */
const hurried = <A, E, R>(work: Effect.Effect<A, E, R>, step: "10 millis" | "1 second") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work)
    while (fiber.pollUnsafe() === undefined) {
      yield* turn
      yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })

describe("RegistryClient", () => {
  const live = (title: string, work: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(work))
  const virtual = (title: string, work: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () => Effect.scoped(work))

  live(
    "reads what a registry says of a package, compressed or not, and tarballs as they are",
    Effect.gen(function* () {
      const registry = yield* NpmRegistry.make([offer("a", "1.0.0"), offer("@s/b", "2.0.0")])
      const client = yield* open(registry.url)
      const { bytes, json } = Option.getOrThrow(yield* client.packument("@s/b", "abbreviated"))
      assert.propertyVal(json, "name", "@s/b")
      assert.strictEqual(bytes, JSON.stringify(json).length)
      assert.deepStrictEqual(yield* client.packument("c", "abbreviated"), Option.none())
      assert.deepStrictEqual(yield* client.keys, Option.none())
      const { tarball } = offer("@s/b", "2.0.0")
      assert.deepStrictEqual(yield* client.tarball(`${registry.url}@s/b/-/b-2.0.0.tgz`), tarball)
      assert.deepStrictEqual(yield* client.size("/@s/b/-/b-2.0.0.tgz"), Option.some(tarball.length))
    })
  )

  live(
    "stops reading a body that goes on for ever, compressed or not",
    Effect.gen(function* () {
      const { client } = yield* clientOf((path, _, response) => {
        if (path === "bomb") {
          response.setHeader("content-encoding", "gzip")
          response.end(bomb)
          return true
        }
        const chunk = Buffer.alloc(1024 * 1024, " ")
        const more = () => {
          while (!response.destroyed && response.write(chunk));
        }
        response.on("drain", more)
        more()
        return true
      })
      assert.strictEqual(yield* failure(client.packument("endless", "abbreviated")), "ResponseTooLarge")
      assert.strictEqual(yield* failure(client.packument("bomb", "abbreviated")), "ResponseTooLarge")
    })
  )

  virtual(
    "gives up a body that keeps coming and does not end in time",
    Effect.gen(function* () {
      let requests = 0
      const { client } = yield* clientOf((_, __, response) => {
        requests++
        // More in each second of virtual time than a stall has.
        const more = () => {
          if (response.destroyed) return
          response.write(Buffer.alloc(64 * 1024, " "))
          setImmediate(more)
        }
        more()
        return true
      })
      const slow = hurried(failure(client.packument("slow", "abbreviated")), "1 second")
      assert.strictEqual(yield* slow, "RegistrySlow")
      assert.strictEqual(requests, 1)
    })
  )

  live(
    "refuses at once what announces itself as too large",
    Effect.gen(function* () {
      let sent = 0
      const { client } = yield* clientOf((_, __, response) => {
        sent++
        response.writeHead(200, { "content-length": String(10 * 1024 ** 3) })
        response.write("{")
        return true
      })
      assert.strictEqual(yield* failure(client.packument("huge", "abbreviated")), "ResponseTooLarge")
      assert.strictEqual(yield* failure(client.tarball("/huge.tgz")), "ResponseTooLarge")
      assert.strictEqual(sent, 2)
    })
  )

  live(
    "follows redirects, but not in circles, and to nothing but http",
    Effect.gen(function* () {
      const leadsTo: Readonly<Record<string, string>> = {
        once: "/a",
        circle: "/circle",
        file: "file:///etc/passwd",
        private: "http://10.0.0.1:9/a",
        hex: "http://0xa9.0xfe.0xa9.0xfe/latest/meta-data",
        mapped: "http://[::ffff:192.168.0.1]/a",
        user: "http://me:secret@127.0.0.1/a",
        nowhere: "http://"
      }
      const { client, registry } = yield* clientOf((path, _, response) => {
        const location = leadsTo[path]
        if (location === undefined) return false
        response.writeHead(302, { location }).end()
        return true
      })
      assert.propertyVal(Option.getOrThrow(yield* client.packument("once", "abbreviated")).json, "name", "a")
      registry.requests.length = 0
      assert.strictEqual(yield* failure(client.packument("circle", "abbreviated")), "InvalidResponse")
      assert.strictEqual(registry.requests.length, 6)
      for (const path of ["file", "private", "hex", "mapped", "user"]) {
        assert.strictEqual(yield* failure(client.packument(path, "abbreviated")), "ForbiddenAddress", path)
        assert.strictEqual(yield* failure(client.tarball(leadsTo[path]!)), "ForbiddenAddress", path)
      }
      assert.strictEqual(yield* failure(client.packument("nowhere", "abbreviated")), "InvalidResponse")
      assert.strictEqual(yield* failure(client.tarball("http://")), "InvalidResponse")
    })
  )

  live(
    "refuses what is no JSON, and an encoding that it did not ask for",
    Effect.gen(function* () {
      const { client } = yield* clientOf((path, _, response) => {
        if (path === "brotli") response.setHeader("content-encoding", "br")
        response.end("<html>")
        return true
      })
      assert.strictEqual(yield* failure(client.packument("page", "abbreviated")), "InvalidResponse")
      assert.strictEqual(yield* failure(client.packument("brotli", "abbreviated")), "InvalidResponse")
      assert.strictEqual(yield* failure(client.keys), "InvalidResponse")
    })
  )

  virtual(
    "comes back after the rest that a registry asks for, and not before",
    Effect.gen(function* () {
      const times: Array<number> = []
      const { client, registry } = yield* clientOf((_, __, response) => {
        times.push(now)
        if (times.length > 2) return false
        response.writeHead(times.length === 1 ? 429 : 503, { "retry-after": "3" }).end()
        return true
      })
      let now = 0
      const watched = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(client.packument("a", "abbreviated"))
        while (fiber.pollUnsafe() === undefined) {
          yield* turn
          now += 10
          yield* TestClock.adjust("10 millis")
        }
        return yield* Fiber.join(fiber)
      })
      assert.isTrue(Option.isSome(yield* watched))
      assert.strictEqual(registry.requests.length, 3)
      assert.isAtLeast(times[1]! - times[0]!, 3000)
      assert.isAtLeast(times[2]! - times[1]!, 3000)
    })
  )

  virtual(
    "gives up on a registry that asks for too long a rest, that refuses, or that goes on failing",
    Effect.gen(function* () {
      const { client, registry } = yield* clientOf((path, _, response) => {
        const status = { busy: 429, forbidden: 403, broken: 500 }[path] ?? 200
        response.writeHead(status, path === "busy" ? { "retry-after": "3600" } : {}).end()
        return true
      })
      const count = (path: string) => registry.requests.filter((each) => each === path).length
      assert.strictEqual(yield* hurried(failure(client.packument("busy", "abbreviated")), "10 millis"), "RegistryBusy")
      assert.strictEqual(count("busy"), 1)
      assert.strictEqual(yield* hurried(failure(client.packument("forbidden", "full")), "10 millis"), "RegistryRefused")
      assert.strictEqual(count("forbidden"), 1)
      assert.strictEqual(yield* hurried(failure(client.packument("broken", "full")), "1 second"), "RegistryRefused")
      assert.strictEqual(count("broken"), 5)
    })
  )

  virtual(
    "gives up on a registry that breaks connections or stops answering",
    Effect.gen(function* () {
      const { client, registry } = yield* clientOf((path, request, response) => {
        if (path === "cut") {
          response.writeHead(200, { "content-length": "100" })
          response.write("{", () => request.socket.destroy())
        }
        if (path === "stuck") response.write("{")
        return true
      })
      assert.strictEqual(yield* hurried(failure(client.packument("cut", "full")), "10 millis"), "RegistryUnreachable")
      assert.strictEqual(yield* hurried(failure(client.packument("silent", "full")), "1 second"), "RegistryUnreachable")
      assert.strictEqual(yield* hurried(failure(client.packument("stuck", "full")), "1 second"), "RegistryUnreachable")
      assert.strictEqual(registry.requests.length, 15)
    })
  )

  virtual(
    "gives up on a body that only trickles",
    Effect.gen(function* () {
      const { client } = yield* clientOf((_, __, response) => {
        const trickle = () => void (response.destroyed || response.write(" ", () => setImmediate(trickle)))
        trickle()
        return true
      })
      const error = yield* hurried(Effect.flip(client.packument("a", "full")), "1 second")
      assert.strictEqual(codeOf(error), "RegistryUnreachable")
    })
  )

  live(
    "has one large tarball in memory at a time",
    Effect.gen(function* () {
      const large = Buffer.alloc(17 * 1024 * 1024)
      const { client } = yield* clientOf((path, _, response) => {
        if (!path.endsWith(".tgz")) return false
        response.end(path === "small.tgz" ? "small" : large)
        return true
      })
      let inMemory = 0
      let most = 0
      const hold = (url: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            yield* client.tarball(url)
            most = Math.max(most, ++inMemory)
            yield* turn
            // While a large one is held, small ones still come through.
            yield* client.tarball("/small.tgz")
            inMemory--
          })
        )
      yield* Effect.all([hold("/1.tgz"), hold("/2.tgz"), hold("/3.tgz")], { concurrency: "unbounded" })
      assert.strictEqual(most, 1)
    })
  )

  live(
    "takes no address that is none of a registry's",
    Effect.gen(function* () {
      for (const text of ["registry", "ftp://a/", "https://user:secret@a/", "https://a/?x", "https://a/#x", ""]) {
        const error = yield* Effect.flip(RegistryClient.parse(text))
        assert.strictEqual(codeOf(error), "InvalidRegistry", text)
      }
      assert.strictEqual((yield* RegistryClient.parse("http://a:4873/npm")).href, "http://a:4873/npm/")
      assert.strictEqual(yield* failure(open("http://registry.invalid/")), "RegistryUnreachable")
    })
  )
})
