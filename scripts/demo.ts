/**
 * The whole journey of a package, for real and on this machine alone: from a publisher's key to an
 * installed module that a program imports, over a real DHT (UDP) and a real swarm (TCP).
 *
 * `npm run demo` tells it as a story; with `--json` the story goes to stderr and stdout ends with
 * one line that says how it went.
 */
import { execFile } from "node:child_process"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { explain } from "../src/protocol/core/Errors.ts"
import * as Infohash from "../src/protocol/core/Infohash.ts"
import { DEFAULT_KEY_NAME, Keystore } from "../src/protocol/core/Keystore.ts"
import * as PackageSpec from "../src/protocol/core/PackageSpec.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Resolve from "../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../src/protocol/swarm/PackageStore.ts"
import { publishPackage } from "../src/protocol/swarm/PublishPackage.ts"
import { Swarm } from "../src/protocol/swarm/Swarm.ts"
import { readPackage } from "../src/runtime/archive/ReadPackage.ts"
import * as Testnet from "../src/runtime/dht/Testnet.ts"
import { install } from "../src/runtime/install/Install.ts"
import * as LiveNode from "../src/runtime/LiveNode.ts"
import * as OfflineNode from "../src/runtime/OfflineNode.ts"

const DHT_NODES = 20
const SEEDERS = ["seeder A", "seeder B"]
const DOWNLOAD_TIMEOUT = "15 seconds"

/** Packages that lie in this project's own node_modules, and how the user asks for them. */
const PACKAGES = [
  { name: "semver", spec: "semver@^7" },
  { name: "ms", spec: "ms" },
  { name: "@noble/hashes", spec: "@noble/hashes@^2" }
]

const USER_PROGRAM = `
import semver from "semver"
import ms from "ms"
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
console.log("semver says that 7.8.1 fits ^7:", semver.satisfies("7.8.1", "^7"))
console.log("ms says that two days are", ms("2 days"), "ms")
console.log("SHA-256 of nothing begins with", bytesToHex(sha256(new Uint8Array())).slice(0, 16))
`

const root = Path.resolve(import.meta.dirname, "..")
const args = process.argv.slice(2)
const json = args.includes("--json")

const unknown = args.filter((argument) => argument !== "--json")
if (unknown.length > 0) {
  process.stderr.write(`The demo knows no argument but --json, not ${unknown.join(" ")}\n`)
  process.exit(2)
}

// Whoever reads the story (`| head`) may leave early; what was made for it is removed all the same.
process.stdout.on("error", () => {})

const say = (line = "") => Effect.sync(() => void (json ? process.stderr : process.stdout).write(`${line}\n`))
const chapter = (title: string) => say(`\n${title}`)
const detail = (text: string) => say(`   ${text}`)

const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(work), ([duration, value]) => ({ value, ms: Math.round(Duration.toMillis(duration)) }))

type Services = Layer.Success<ReturnType<typeof LiveNode.layer>>

/** Somebody on the network: a home directory, a key and sockets of their own. */
const join = Effect.fnUntraced(function* (directory: string, name: string, bootstrap: ReadonlyArray<string>) {
  const home = Path.join(directory, name.replaceAll(" ", "-"))
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const layer = LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap })
  const context = yield* Scope.provide(Layer.build(layer), scope)
  const key = yield* Context.get(context, Keystore).create(DEFAULT_KEY_NAME)
  yield* detail(
    `${name.padEnd(10)} key ${PublicKey.toBase64(key.publicKey)}  peers at ${String(Context.get(context, Swarm).address)}`
  )
  return {
    key,
    /** Runs something as this person; what it keeps open stays open until they leave. */
    does: <A, E>(work: Effect.Effect<A, E, Services | Scope.Scope>) =>
      Scope.provide(Effect.provideContext(work, context), scope),
    leaves: Scope.close(scope, Exit.void)
  }
})

const specOf = (text: string) => Effect.fromResult(PackageSpec.parse(text))

const fetch = (specText: string) =>
  Effect.gen(function* () {
    const resolution = yield* Resolve.resolveByName(yield* specOf(specText))
    return yield* fetchRelease(resolution, { timeout: DOWNLOAD_TIMEOUT })
  })

const story = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-demo-" })

  yield* chapter(`1. A DHT: ${DHT_NODES} nodes on ${Testnet.HOST}, over UDP`)
  const { ms: testnetMs, value: testnet } = yield* timed(Testnet.make(DHT_NODES))
  yield* detail(`entered by ${testnet.bootstrap.join(", ")}  (${testnetMs} ms)`)

  yield* chapter("2. People, each with a key and a home directory of their own")
  const publisher = yield* join(directory, "publisher", testnet.bootstrap)
  const seeders = yield* Effect.forEach(SEEDERS, (name) => join(directory, name, testnet.bootstrap))
  const user = yield* join(directory, "user", testnet.bootstrap)

  yield* chapter("3. The publisher packs real packages, seeds them, and signs its records into the DHT")
  const publishing = yield* timed(
    Effect.forEach(PACKAGES, ({ name }) =>
      publisher.does(
        Effect.gen(function* () {
          const packed = yield* readPackage(Path.join(root, "node_modules", name))
          const { publication, release } = yield* publishPackage(publisher.key, packed)
          const files = Object.keys(packed.files).length
          yield* detail(
            `${release.n}@${release.v}  ${files} files, ${packed.tarball.length} bytes, infohash ${Infohash.toHex(release.ih)}`
          )
          yield* detail(`   release     ${KeyString.release(release.n, release.v)}`)
          yield* detail(`   package     ${KeyString.packageOf(release.n)}`)
          yield* detail(`   catalogue   libreseed:announce:<key>`)
          yield* detail(`   name index  ${KeyString.nameIndex(release.n)}`)
          yield* detail(`   each of them is held by at least ${publication.acks} nodes`)
          return release
        })
      )
    )
  )
  yield* detail(`took ${publishing.ms} ms`)

  yield* chapter("4. Two seeders fetch them by name, check every byte, and serve them")
  yield* Effect.forEach(
    seeders.map((seeder, i) => ({ seeder, name: SEEDERS[i] })),
    ({ name, seeder }) =>
      seeder.does(
        Effect.gen(function* () {
          const store = yield* PackageStore
          const swarm = yield* Swarm
          for (const { spec } of PACKAGES) {
            const fetched = yield* fetch(spec)
            yield* swarm.seed(fetched.torrent, yield* store.open(fetched))
          }
          yield* detail(`${name} serves ${(yield* store.list).length} releases`)
        })
      ),
    { concurrency: "unbounded" }
  )

  yield* chapter("5. The publisher goes away: sockets closed, nobody home")
  yield* publisher.leaves

  yield* chapter("6. The user asks the DHT by name: who publishes it, which version fits?")
  const resolving = yield* timed(
    Effect.forEach(
      PACKAGES,
      ({ spec }) => user.does(Effect.flatMap(specOf(spec), (request) => Resolve.resolveByName(request))),
      { concurrency: "unbounded" }
    )
  )
  for (const [i, { evidence, publisher, release }] of resolving.value.entries()) {
    yield* detail(
      `${PACKAGES[i]!.spec.padEnd(17)} → ${release.n}@${release.v}  signed by ${PublicKey.toBase64(publisher)}`
    )
    yield* detail(`   why: ${evidence.candidates[0]!.reason}; ${evidence.versions[0]!.reason}`)
  }
  yield* detail(`took ${resolving.ms} ms`)

  yield* chapter(
    "7. … downloads from the seeders, every piece checked, then manifest and tarball against what was signed"
  )
  const downloading = yield* timed(
    Effect.forEach(
      resolving.value,
      (resolution) => user.does(fetchRelease(resolution, { timeout: DOWNLOAD_TIMEOUT })),
      { concurrency: "unbounded" }
    )
  )
  for (const { manifest, release } of downloading.value) {
    yield* detail(
      `${release.n}@${release.v}  ${Object.keys(manifest.files).length} files verified, content hash ${manifest.contentHash.slice(0, 16)}…`
    )
  }
  yield* detail(`took ${downloading.ms} ms`)

  yield* chapter("8. … installs them into a new project")
  const project = Path.join(directory, "project")
  const installing = yield* timed(user.does(install(project, downloading.value)))
  yield* detail(`${Path.join("project", "node_modules")} has them (${installing.ms} ms)`)

  yield* chapter("9. … and runs a program there that imports what was installed")
  const program = Path.join(project, "program.mjs")
  yield* fs.writeFileString(program, USER_PROGRAM)
  const { stdout } = yield* Effect.tryPromise(() => promisify(execFile)(process.execPath, [program], { cwd: project }))
  yield* Effect.forEach(stdout.trim().split("\n"), detail)

  return {
    ok: true,
    installed: downloading.value.map(({ release }) => `${release.n}@${release.v}`),
    publisher: PublicKey.toBase64(publisher.key.publicKey),
    dhtNodes: DHT_NODES,
    seeders: SEEDERS.length,
    ms: { publish: publishing.ms, resolve: resolving.ms, download: downloading.ms, install: installing.ms }
  }
})

const told = timed(Effect.scoped(story)).pipe(
  Effect.tap(({ ms }) =>
    say(`\nDone in ${(ms / 1000).toFixed(1)} s. Everything that was made for it has been removed again.`)
  ),
  Effect.map(({ value }) => value)
)

const tellFailure = (error: unknown) => {
  const explained = explain(error)
  const message = explained?.message ?? String(error)
  return say(`\nThe demo failed: ${message}\n${explained?.hint ?? ""}`).pipe(Effect.as({ ok: false, error: message }))
}

const main = Effect.gen(function* () {
  yield* say("LibreSeed: a package registry that nobody runs. Everything below is real and stays on this machine.")
  const outcome = yield* Effect.result(told)
  const report = Result.isSuccess(outcome) ? outcome.success : yield* tellFailure(outcome.failure)
  yield* Effect.sync(() => {
    if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
    if (!report.ok) process.exitCode = 1
  })
})

NodeRuntime.runMain(Effect.provide(main, OfflineNode.platform), { disableErrorReporting: true })
