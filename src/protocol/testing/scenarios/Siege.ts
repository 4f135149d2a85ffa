/**
 * Twenty hostile nodes settle next to the places of a package's records, before it is published or after,
 * closer than every honest node: all that a look-up ends with. They keep silent, lie, or say that they
 * stored what they threw away. Users find the package all the same, after its publisher put it again; and
 * nothing that the besiegers give is believed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import { Dht } from "../../dht/Dht.ts"
import * as KeyString from "../../dht/KeyString.ts"
import { RecordStore } from "../../dht/RecordStore.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import * as RePut from "../../registry/RePut.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { type Behaviour, behaviours } from "../simulation/Nodes.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { isWarned, notYet, Witness } from "./Witness.ts"

const NAME = "besieged"
const FIRST = "1.0.0"
const SECOND = "1.1.0"

/** As many as a look-up ends with and a record is stored on. */
const BESIEGERS = 20

const PUBLISHED_MS = 20 * MINUTE
const PLAY_MS = 70 * MINUTE

const hostile = behaviours.filter((behaviour) => behaviour !== "honest")

/** All of one kind, or each as it likes. */
const manners = (chance: Chance): ((each: Chance) => Behaviour) => {
  const one = chance.pick(hostile)
  return chance.is(0.6) ? () => one : (each) => each.pick(hostile)
}

const isBlocked = (error: unknown): boolean =>
  error instanceof RegistryError && error.reason._tag === "NameIndexBlocked"

const places: ReadonlyArray<Adversary.Besieged> = ["release", "package", "announce", "revocation", "name index"]

export const siege = make({
  name: "siege",
  about: "twenty hostile nodes settle next to the records of a package; users find it all the same",
  convergesWithinMs: 2 * HOUR,
  faults: (chance) => [
    ...chance.sample(places, chance.between(1, 3)).map((of) => {
      const isTreason = chance.is(0.6)
      const isBefore = chance.is(0.5) && !isTreason
      const atMs = isBefore ? chance.below(PUBLISHED_MS) : chance.between(PUBLISHED_MS, PLAY_MS - 15 * MINUTE)
      // Besiegers may never go away; traitors do, for they are nearly half of the network.
      const forMs = chance.is(0.5) && !isTreason ? undefined : chance.between(10 * MINUTE, PLAY_MS - atMs)
      const version = chance.pick([FIRST, SECOND])
      const place = { of, person: "pub", package: NAME, version }
      const behaviourFor = manners(chance.fork(of))
      return isTreason
        ? Adversary.treason({ atMs, forMs }, place, behaviourFor)
        : Adversary.siege({ atMs, forMs }, place, BESIEGERS, behaviourFor)
    }),
    Fault.loss({ atMs: chance.below(PLAY_MS), forMs: 10 * MINUTE }, chance.between(0, 10) / 100),
    Fault.churn({ atMs: 0, forMs: PLAY_MS }, chance.fraction() / 4)
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [publisher, seeder, regular, passer] = yield* Actors.people(world, ["pub", "seeder", "regular", "passer"])
    const witness = new Witness()
    const publishes = (version: string, atMs: number) => ({
      atMs,
      title: `pub publishes ${NAME}@${version}`,
      run: publisher!.publish({ name: NAME, version })
    })
    const finds = (user: Actors.Person) =>
      Effect.tap(user.resolve(NAME), (resolution) =>
        Effect.sync(() => {
          const { evidence, publisher: found } = resolution
          if (!PublicKey.equals(found, publisher!.publicKey)) witness.object(`${user.host.name} was sent to a stranger`)
          witness.count("found")
          if (isWarned(resolution, "withheld") || isWarned(resolution, "rollback")) witness.count("found at home")
          if (evidence.looks.some(({ kind, source }) => kind === "package" && source === "peers")) {
            witness.count("packages from peers")
          }
          if (evidence.looks.some(({ found: isFound, kind }) => kind === "nameIndex" && !isFound)) {
            witness.count("no shared record")
          }
        })
      ).pipe(Effect.tapError(() => Effect.sync(() => witness.count("not found"))))

    /** What the publisher said last has to come from the network alone: from no peer, and no memory of the user. */
    const gives = (user: Actors.Person) =>
      Effect.gen(function* () {
        yield* publisher!.host.run(RePut.once)
        const salt = KeyString.saltOf(KeyString.packageOf(PackageName.make(NAME)))
        const said = yield* Context.get(publisher!.host.disk, RecordStore).find(publisher!.publicKey, salt)
        const { value } = yield* user.host.run(Effect.flatMap(Dht, (dht) => dht.lookup(publisher!.publicKey, salt)))
        const seqs = [said, value].map(Option.match({ onNone: () => 0, onSome: ({ seq }) => seq }))
        if (seqs[0] !== seqs[1]) return yield* notYet(`the network gives seq ${seqs[1]} of ${NAME} and not ${seqs[0]}`)
      })

    if (chance.is(0.5)) yield* publisher!.publish({ name: NAME, version: FIRST })
    publisher!.keepAlive()
    const looks = (user: Actors.Person) => ({
      atMs: chance.between(PUBLISHED_MS, PLAY_MS),
      title: `${user.host.name} resolves ${NAME}`,
      run: finds(user)
    })
    const publication = publishes(SECOND, chance.between(PUBLISHED_MS / 2, PUBLISHED_MS))
    return {
      laws: [witness.law("nothing is believed that the publisher did not say")],
      steps: [
        publishes(FIRST, chance.below(PUBLISHED_MS / 2)),
        publication,
        {
          atMs: PUBLISHED_MS + chance.below(10 * MINUTE),
          title: `seeder installs ${NAME} and keeps it alive`,
          run: Effect.suspend(() => {
            seeder!.keepAlive()
            return seeder!.install(NAME)
          })
        },
        looks(regular!),
        looks(regular!),
        looks(passer!),
        {
          atMs: chance.between(PUBLISHED_MS, PLAY_MS),
          title: "pub puts everything again",
          run: publisher!.host.run(RePut.once)
        }
      ],
      goals: [
        {
          title: `${publication.title}, in the end`,
          // Where every node that should hold the shared record throws it away, its claim reaches users by peers alone.
          reach: Effect.catchIf(publication.run, isBlocked, () => Effect.sync(() => witness.count("claims kept out")))
        },
        { title: `the network gives regular the record of ${NAME}`, reach: gives(regular!) },
        ...[regular!, passer!].map((user) => ({
          title: `${user.host.name} installs ${NAME}@${SECOND}`,
          reach: Effect.flatMap(Effect.andThen(finds(user), user.install(NAME)), ({ release }) =>
            release.v === SECOND ? Effect.void : notYet(`${user.host.name} gets ${release.v}`)
          )
        }))
      ],
      figures: () =>
        witness.figures([
          "found",
          "not found",
          "found at home",
          "packages from peers",
          "no shared record",
          "claims kept out"
        ])
    }
  })
})
