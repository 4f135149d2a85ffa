/**
 * People at machines, doing what the commands of `ls-cli` do: publish, resolve, install, seed. All of it is the
 * library's own code; nothing is short-cut but the tarball, which is bytes from a seed.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import { sha256 } from "../../core/Digest.ts"
import type { KeyPair } from "../../core/KeyPair.ts"
import { KeyName, Keystore } from "../../core/Keystore.ts"
import { PackageName } from "../../core/PackageName.ts"
import type * as PublicKey from "../../core/PublicKey.ts"
import { Version, type Wanted } from "../../core/Version.ts"
import * as NameIndex from "../../registry/NameIndex.ts"
import * as PublicationLog from "../../registry/PublicationLog.ts"
import * as RePut from "../../registry/RePut.ts"
import * as Resolve from "../../registry/Resolve.ts"
import * as Retract from "../../registry/Retract.ts"
import { fetchRelease } from "../../swarm/FetchRelease.ts"
import { type PackedPackage, publishPackage } from "../../swarm/PublishPackage.ts"
import * as SeedStore from "../../swarm/SeedStore.ts"
import * as Pins from "../../trust/Pins.ts"
import { Chance } from "../simulation/Chance.ts"
import type { Machine, World } from "../simulation/World.ts"

/** Bytes of a tarball unless told. One piece, and small enough for thousands. */
const TARBALL_BYTES = 2_000

/** Longest download, as for commands. */
const DOWNLOAD_TIMEOUT = "10 minutes"

const KEY = KeyName.make("main")

export interface Package {
  readonly name: string
  readonly version: string
  readonly bytes?: number
  readonly dependencies?: { readonly [name: string]: string }
}

/** The same package always has the same bytes; `content` makes it another one under the same version. */
export const packed = (spec: Package, content = ""): PackedPackage => {
  const tarball = Chance.of(`${spec.name}@${spec.version} ${content}`).bytes(spec.bytes ?? TARBALL_BYTES)
  return {
    name: PackageName.make(spec.name),
    version: Version.make(spec.version),
    tarball,
    files: { "index.js": { sha256: Hex.encode(sha256(tarball)), size: tarball.length, mode: "0644" } },
    metadata: spec.dependencies === undefined ? {} : { dependencies: spec.dependencies }
  }
}

/** Somebody with a machine and a key. The key is kept at home too: it survives the loss of the disk. */
export class Person {
  readonly host: Machine
  readonly keyPair: KeyPair
  readonly #world: World

  constructor(world: World, host: Machine, keyPair: KeyPair) {
    this.#world = world
    this.host = host
    this.keyPair = keyPair
  }

  get publicKey(): PublicKey.PublicKey {
    return this.keyPair.publicKey
  }

  /** Publishes, and goes on seeding as long as the process runs. */
  publish(spec: Package, content?: string) {
    const pack = packed(spec, content)
    return this.host.open(publishPackage(this.keyPair, pack, { onStep: (step) => this.#vouch(pack, step) }))
  }

  /**
   * The release is known in full once it is prepared, which is noted on disk before anything of it is stored. What
   * was prepared has to be of the bytes that were meant.
   */
  #vouch({ name, tarball, version }: PackedPackage, step: PublicationLog.Step): Effect.Effect<void> {
    if (step !== "stored") return Effect.void
    return Effect.gen({ self: this }, function* () {
      const noted = yield* Context.get(this.host.disk, PublicationLog.PublicationLog).find(
        this.publicKey,
        name,
        version
      )
      if (Option.isNone(noted) || !Bytes.Equivalence(noted.value.release.h, sha256(tarball))) return
      this.#world.truth.signs(this.publicKey, noted.value.release)
    }).pipe(Effect.orDie)
  }

  yank(name: string, version: string) {
    return this.host.run(Retract.yank(this.keyPair, PackageName.make(name), Version.make(version)))
  }

  #resolving(name: string, range: Wanted, options: Resolve.Options | undefined) {
    const request = { name: PackageName.make(name), range }
    return this.#world.given.watched(this.host, Resolve.resolveByName(request, options))
  }

  /** Finds out what would be installed. */
  resolve(name: string, range: Wanted = "latest", options?: Resolve.Options) {
    return this.host.run(this.#resolving(name, range, options))
  }

  /** Resolves, fetches, verifies and pins, in the order of `ls-cli install`. */
  install(name: string, range: Wanted = "latest", options?: Resolve.Options) {
    const resolving = this.#resolving(name, range, options)
    return this.host.run(
      Effect.gen(function* () {
        const resolution = yield* resolving
        const fetched = yield* fetchRelease(resolution, { timeout: DOWNLOAD_TIMEOUT })
        yield* Pins.use(fetched.release.n, fetched.publisher)
        return fetched
      })
    )
  }

  /** Serves what is in the store, until the process ends. */
  get seed() {
    return this.host.open(SeedStore.seedAll())
  }

  /** As `ls-cli seed`: keeps records alive, and answers for names, until the process ends. */
  keepAlive(): void {
    this.host.background("keeping records alive", RePut.run())
    this.host.background("gathering records of releases", SeedStore.gatherForever)
    this.host.background("answering for names", Effect.andThen(NameIndex.serveAll(), Effect.never))
  }
}

/** A person with a new key at a new machine. Whatever others accept under the key has to be what the person signed. */
export const person = (world: World, name: string) =>
  Effect.gen(function* () {
    const host = world.host(name)
    const keyPair = yield* host.run(Effect.flatMap(Keystore, (keystore) => keystore.create(KEY)))
    world.truth.knows(keyPair.publicKey)
    return new Person(world, host, keyPair)
  })

/** Several of them: `alice`, `bob`, … or `user 1`, `user 2`, …. */
export const people = (world: World, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (name) => person(world, name))
