/**
 * A squatter claims a name since the beginning of time, with a package of his own under it, and hundreds of
 * publishers who do not exist claim it too. Whoever took the name from its owner before, or has only looked,
 * stays with the owner; whoever trusts the owner's key finds it among all of them, in bounded work.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import { Version } from "../../core/Version.ts"
import * as Tree from "../../dht/Tree.ts"
import * as NameClaim from "../../registry/NameClaim.ts"
import * as NameIndex from "../../registry/NameIndex.ts"
import * as NameIndexRecord from "../../registry/NameIndexRecord.ts"
import * as Policy from "../../registry/Policy.ts"
import type { Options } from "../../registry/Resolve.ts"
import * as TrustedKeys from "../../trust/TrustedKeys.ts"
import { EPOCH_MS } from "../simulation/Kernel.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "squatted"

const PLAY_MS = 60 * MINUTE

/** Who exists only as a key. Some more than fit into the record, or a tree of two levels. */
const FAKES_MIN = 20
const FAKES_MAX = 300

/**
 * The longest that a user may wait, however many claims there are: a tree has 20 s, peers 2 s, look-ups a few
 * seconds each, and in bad weather all of that is tried three times.
 */
const PATIENCE_MS = 3 * MINUTE

/** Look-ups one after another: index, levels of its tree, candidates without a package in groups of four, package. */
const ROUNDS_MAX = 24

const TRUSTING: Options = { policy: Policy.userTrust }

export const squatting = make({
  name: "squatting",
  about: "a squatter claims a name since ever, hundreds of fake publishers join him; who knows the owner stays there",
  convergesWithinMs: HOUR,
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: PLAY_MS - 10 * MINUTE }, { strength: 0.3 }),
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [owner, squatter, pinned, watcher, trusting, naive] = yield* Actors.people(world, [
      "owner",
      "squatter",
      "pinned",
      "watcher",
      "trusting",
      "naive"
    ])
    const name = PackageName.make(NAME)
    const witness = new Witness()
    const isOwner = (key: PublicKey.PublicKey) => PublicKey.equals(key, owner!.publicKey)

    /** Work that ends in time and in bounds, of a user who may be sent to the owner alone. */
    const faithful = (user: Actors.Person, options?: Options) =>
      Effect.gen(function* () {
        const began = yield* Clock.currentTimeMillis
        const resolution = yield* Effect.ensuring(
          user
            .resolve(NAME, "latest", options)
            .pipe(Effect.tapError(() => Effect.sync(() => user === naive && witness.count("naive found nobody")))),
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (now - began > PATIENCE_MS) witness.object(`${user.host.name} had to wait ${now - began} ms`)
          })
        )
        const { evidence, publisher } = resolution
        if (evidence.lookups > ROUNDS_MAX)
          witness.object(`${user.host.name} made ${evidence.lookups} rounds of look-ups`)
        if (evidence.candidates.length + evidence.candidatesOmitted > 1) witness.count("chosen among several")
        if (!isOwner(publisher)) {
          if (user !== naive) witness.object(`${user.host.name} was sent to ${PublicKey.toBase64(publisher)}`)
          witness.count("sent to the squatter")
        }
        return resolution
      })

    /** Claims the name since the beginning of time, after a package was published, or without one. */
    const squat = Effect.gen(function* () {
      const hasPackage = chance.is(0.7)
      if (hasPackage) yield* squatter!.publish({ name: NAME, version: "66.6.0" })
      yield* squatter!.host.run(
        Effect.flatMap(Clock.currentTimeMillis, (timestamp) =>
          NameIndex.join(name, () =>
            NameClaim.sign(squatter!.keyPair, name, {
              latestVersion: Version.make("66.6.0"),
              firstSeen: 0,
              timestamp: timestamp + 1
            })
          )
        )
      )
    })

    /** Puts claims into the shared record, beside those that are there or in their place. */
    const flood = Effect.fnUntraced(function* (claims: ReadonlyArray<NameClaim.NameClaim>, replaces: boolean) {
      const value = yield* squatter!.host.run(
        Effect.gen(function* () {
          const { claims: known } = yield* NameIndex.read(name, { askPeers: false })
          const fakes = NameClaim.fromClaims(claims)
          const made = NameIndexRecord.make(replaces ? fakes : NameClaim.merge(known, fakes))
          yield* Tree.publish(made.pages)
          return made.value
        })
      )
      yield* Adversary.overwriteName(squatter!.host, NAME, (current) => ({ seq: (current?.seq ?? 0) + 1, value }))
      witness.count("fakes", claims.length)
    })

    yield* owner!.publish({ name: NAME, version: "1.0.0" })
    owner!.keepAlive()
    yield* pinned!.install(NAME)
    yield* faithful(watcher!)
    yield* trusting!.host.run(TrustedKeys.add(owner!.publicKey))
    const fakes = yield* Adversary.fakeClaims(world, NAME, chance.between(FAKES_MIN, FAKES_MAX), {
      firstSeen: 0,
      timestamp: EPOCH_MS + MINUTE
    })
    const waves = chance.between(1, 3)
    const perWave = Math.ceil(fakes.length / waves)
    const newest = `1.${chance.between(1, 9)}.0`

    const update = (user: Actors.Person, options?: Options) => ({
      atMs: chance.below(PLAY_MS),
      title: `${user.host.name} updates ${NAME}`,
      run: faithful(user, options)
    })
    const gets = (user: Actors.Person, options?: Options) => ({
      title: `${user.host.name} gets ${newest} from the owner`,
      reach: Effect.flatMap(faithful(user, options), ({ release }) =>
        release.v === newest ? Effect.void : notYet(`${user.host.name} still gets ${release.v}`)
      )
    })
    return {
      laws: [
        witness.law("who took a name from its owner, looked at it or trusts it stays with the owner, in bounded work")
      ],
      steps: [
        { atMs: chance.below(20 * MINUTE), title: "the squatter claims the name since 1970", run: squat },
        ...Array.from({ length: waves }, (_, i) => ({
          atMs: chance.between(2 * MINUTE, PLAY_MS - 20 * MINUTE) + i * SECOND,
          title: `fake publishers claim ${NAME}, wave ${i + 1}`,
          run: flood(fakes.slice(i * perWave, (i + 1) * perWave), chance.is(0.3))
        })),
        {
          atMs: chance.below(PLAY_MS - 10 * MINUTE),
          title: `owner publishes ${NAME}@${newest}`,
          run: owner!.publish({ name: NAME, version: newest })
        },
        update(pinned!),
        update(pinned!),
        update(watcher!),
        update(watcher!),
        update(trusting!, TRUSTING),
        update(trusting!, TRUSTING),
        update(naive!),
        { atMs: chance.below(PLAY_MS), title: `pinned installs ${NAME}`, run: pinned!.install(NAME) }
      ],
      goals: [
        {
          title: `owner publishes ${NAME}@${newest}, in the end`,
          reach: owner!.publish({ name: NAME, version: newest })
        },
        gets(pinned!),
        gets(watcher!),
        gets(trusting!, TRUSTING)
      ],
      figures: () => witness.figures(["fakes", "chosen among several", "sent to the squatter", "naive found nobody"])
    }
  })
})
