/**
 * A publisher signs two releases under one version, and two records under one number, for two parts of the
 * network. Each alone is valid, so who sees one takes it; who has seen both refuses both for good, with
 * a proof that convinces anybody. Nobody else is suspected of anything.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import { sha256 } from "../../core/Digest.ts"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import { only, Version } from "../../core/Version.ts"
import { Dht } from "../../dht/Dht.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import * as PackageRecord from "../../registry/PackageRecord.ts"
import { type Proof, Proofs } from "../../registry/Proofs.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import * as Release from "../../registry/Release.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, type Law, make, MINUTE } from "../simulation/Scenario.ts"
import type { Machine, World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import { diskOf, notYet, Witness } from "./Witness.ts"

const NAME = "forked"
const VERSION = Version.make("1.0.0")
const ONLY = only(VERSION)
const HONEST = "straight"
const PARTED_MS = 25 * MINUTE
const PLAY_MS = 70 * MINUTE

const proofsOn = ({ disk }: Machine): ReadonlyArray<Proof> =>
  Effect.runSync(Effect.orDie(Context.get(disk, Proofs).all))

const isRefusal = (error: unknown): boolean => error instanceof RegistryError && error.reason._tag === "Equivocation"

/** The tarball that a record of a proof names. */
const tarballIn = ({ value }: Record.Record): string | undefined => {
  const release = Result.getOrUndefined(Release.decode(value))
  const h = release?.h ?? Result.getOrUndefined(PackageRecord.decode(value))?.l.h
  return h === undefined ? undefined : Hex.encode(h)
}

/** What is wrong with a proof, for somebody who trusts nobody. */
const flawOf = (world: World, { publisher, records }: Proof): string | undefined => {
  const [one, other] = records
  const isSigned = records.every(
    (record) =>
      PublicKey.equals(record.publicKey, publisher) &&
      Result.isSuccess(Record.verifyWith(world.ed25519, record, "a proof"))
  )
  if (!isSigned) return "is not signed by whom it accuses"
  return tarballIn(one) === tarballIn(other) ? "shows no contradiction" : undefined
}

/** Proofs are sound, accuse the guilty alone, and stay on the disk that they were kept on. */
const proofsHold = (world: World, guilty: PublicKey.PublicKey): Law => {
  const kept = new Map<string, number>()
  const checked = new Set<Proof>()
  const problemOf = (host: Machine): string | undefined => {
    const proofs = proofsOn(host)
    const before = kept.get(diskOf(host)) ?? 0
    if (proofs.length < before) return "has lost a proof"
    kept.set(diskOf(host), proofs.length)
    for (const proof of proofs) {
      if (checked.has(proof)) continue
      checked.add(proof)
      const flaw = PublicKey.equals(proof.publisher, guilty) ? flawOf(world, proof) : "accuses somebody honest"
      if (flaw !== undefined) return `has a proof about ${proof.name}@${proof.version} that ${flaw}`
    }
    return undefined
  }
  return {
    title: "a proof is sound, accuses nobody honest, and stays",
    broken: () => {
      for (const host of world.hosts) {
        const problem = problemOf(host)
        if (problem !== undefined) return `${host.name} ${problem}`
      }
      return undefined
    }
  }
}

const restart = (chance: Chance, host: string): ReadonlyArray<Fault.Fault> =>
  chance.is(0.5)
    ? [Fault.crash({ atMs: chance.between(PARTED_MS, PLAY_MS), forMs: chance.between(1_000, 3 * MINUTE) }, host)]
    : []

export const equivocation = make({
  name: "equivocation",
  about: "a publisher signs two releases under one version; whoever sees both refuses both, and keeps a proof",
  convergesWithinMs: HOUR,
  faults: (chance) => [
    Fault.partition({ atMs: 0, forMs: PARTED_MS }, { share: chance.between(30, 70) / 100, hosts: ["twin", "ben"] }),
    ...restart(chance.fork("ann"), "ann"),
    ...restart(chance.fork("ben"), "ben"),
    ...Fault.storm(chance.fork("storm"), { fromMs: 0, toMs: PLAY_MS }, { strength: 0.25 })
  ],
  play: Effect.fnUntraced(function* (world) {
    const [mallory, honest, ann, ben, late] = yield* Actors.people(world, ["mallory", "honest", "ann", "ben", "late"])
    /** The same key at another machine, in another part of the network. */
    const twin = new Actors.Person(world, world.host("twin"), mallory!.keyPair)
    const users = [ann!, ben!, late!]
    const witness = new Witness()
    /** Tarballs (hex) that were taken for the version, by disk. */
    const taken = new Map<string, string>()
    /** Contents of the version that are out. */
    const signed = new Set<string>()

    const isProved = (host: Machine) => proofsOn(host).some(({ name, version }) => name === NAME && version === VERSION)

    const take = <A extends { readonly release: Release.Release }, E>(user: Actors.Person, work: Effect.Effect<A, E>) =>
      witness
        .judged(
          work,
          () => ({ disk: diskOf(user.host), wasProved: isProved(user.host) }),
          ({ release }, { disk, wasProved }) => {
            if (release.n !== NAME || release.v !== VERSION) return
            const tarball = Hex.encode(release.h)
            if (wasProved) witness.object(`${user.host.name} took ${NAME}@${VERSION}, and has a proof against it`)
            if ((taken.get(disk) ?? tarball) !== tarball) {
              witness.object(`${user.host.name} took two different releases of ${NAME}@${VERSION}`)
            }
            taken.set(disk, tarball)
            witness.count("taken")
          }
        )
        .pipe(Effect.tapError((error) => Effect.sync(() => (isRefusal(error) ? witness.count("refused") : undefined))))

    const signTwice = (who: Actors.Person, content: string) => ({
      atMs: world.chance.below(PARTED_MS - 5 * MINUTE),
      title: `${who.host.name} publishes ${NAME}@${VERSION} with content ${content}`,
      run: Effect.tap(who.publish({ name: NAME, version: VERSION }, content), () =>
        Effect.sync(() => signed.add(content))
      )
    })

    /** A later record of the package, which inlines a third content of the version in the place of what is there. */
    const forkAgain = twin.host.run(
      Effect.gen(function* () {
        const dht = yield* Dht
        const salt = KeyString.saltOf(KeyString.packageOf(PackageName.make(NAME)))
        const current = yield* Effect.fromOption(yield* dht.get(mallory!.publicKey, salt))
        const says = Result.getOrThrow(PackageRecord.decode(current.value))
        const value = PackageRecord.toBytes({ ...says, l: { ...says.l, h: sha256(says.l.h) } })
        yield* dht.put(Record.sign(mallory!.keyPair, { salt, seq: current.seq + 1, value }))
        signed.add("c")
      })
    )

    mallory!.keepAlive()
    twin.keepAlive()
    honest!.keepAlive()
    yield* honest!.publish({ name: HONEST, version: VERSION })
    // So that they know nodes on either side once the network is parted.
    yield* Effect.forEach([mallory!, twin, ann!, ben!], (each) => each.resolve(HONEST), { discard: true })

    const straight = { name: HONEST, version: VERSION }
    const ask = (user: Actors.Person, from: number, to: number) => ({
      atMs: world.chance.between(from, to),
      title: `${user.host.name} resolves ${NAME}`,
      run: take(user, user.resolve(NAME, world.chance.is(0.5) ? "latest" : ONLY))
    })
    const refuses = (user: Actors.Person) =>
      Effect.gen(function* () {
        // Bad weather may have kept the other one from being put.
        if (signed.size < 2) return
        // By name alone the newest release is taken out of the package's record, and there is nothing beside it to see.
        const exit = yield* Effect.exit(take(user, user.resolve(NAME, ONLY, { publisher: mallory!.publicKey })))
        if (Exit.isSuccess(exit)) return yield* notYet(`${user.host.name} has not seen both`)
        if (!isProved(user.host)) return yield* Effect.failCause(exit.cause)
      })
    return {
      laws: [
        witness.law("nobody takes two contents of one version, or one that is proved to be two"),
        proofsHold(world, mallory!.publicKey)
      ],
      steps: [
        signTwice(mallory!, "a"),
        signTwice(twin, "b"),
        ...[ann!, ben!].flatMap((user) => [
          ask(user, 0, PARTED_MS),
          {
            atMs: world.chance.between(5 * MINUTE, PARTED_MS),
            title: `${user.host.name} installs ${NAME}`,
            run: take(user, user.install(NAME))
          },
          ask(user, PARTED_MS, PLAY_MS),
          ask(user, PARTED_MS, PLAY_MS)
        ]),
        ask(late!, PARTED_MS, PLAY_MS),
        { atMs: world.chance.between(PARTED_MS, PLAY_MS), title: "twin signs once more", run: forkAgain },
        {
          atMs: world.chance.below(PLAY_MS),
          title: `honest publishes ${HONEST}@1.1.0`,
          run: honest!.publish({ ...straight, version: "1.1.0" })
        }
      ],
      goals: [
        ...users.map((user) => ({ title: `${user.host.name} refuses ${NAME}@${VERSION}`, reach: refuses(user) })),
        ...users.map((user) => ({
          title: `${user.host.name} installs ${HONEST}`,
          reach: user.install(HONEST)
        }))
      ],
      figures: () => ({ ...witness.figures(["taken", "refused"]), signed: signed.size })
    }
  })
})
