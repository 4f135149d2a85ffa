/**
 * Somebody has a publisher's key: he signs releases, takes the last sequence numbers, and may revoke the key
 * himself and name his own as its successor. The owner revokes it too and goes on under a new key. Whoever
 * has seen a revocation takes nothing from the old key any more, is not moved to any other key without being
 * asked, and gets the owner's new one after having said so.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { sha256 } from "../../core/Digest.ts"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import { Version } from "../../core/Version.ts"
import { Dht } from "../../dht/Dht.ts"
import * as KeyString from "../../dht/KeyString.ts"
import * as Record from "../../dht/Record.ts"
import * as PackageRecord from "../../registry/PackageRecord.ts"
import { RegistryError } from "../../registry/RegistryError.ts"
import * as Pins from "../../trust/Pins.ts"
import * as Revocation from "../../trust/Revocation.ts"
import { TrustBook } from "../../trust/TrustBook.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import type { Machine } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "stolen"
const OLD = "1.0.0"
const NEW = "2.0.0"

const THEFT_MS = 5 * MINUTE
const REVOKED_MS = 40 * MINUTE
const PLAY_MS = 80 * MINUTE

const restart = (chance: Chance, host: string): ReadonlyArray<Fault.Fault> =>
  chance.is(0.4)
    ? [Fault.crash({ atMs: chance.between(THEFT_MS, PLAY_MS - MINUTE), forMs: chance.between(1_000, MINUTE) }, host)]
    : []

const isFailure =
  (...tags: ReadonlyArray<RegistryError["reason"]["_tag"]>) =>
  (error: unknown): boolean =>
    error instanceof RegistryError && tags.includes(error.reason._tag)

const hasTombstone = ({ disk }: Machine, key: PublicKey.PublicKey): boolean =>
  Effect.runSync(Effect.orDie(Context.get(disk, TrustBook).read)).revoked.has(PublicKey.toHex(key))

export const stolenKey = make({
  name: "stolen-key",
  about: "a thief signs with a publisher's key up to the last number; the owner revokes it and goes on with another",
  convergesWithinMs: HOUR,
  faults: (chance) => [
    ...restart(chance.fork("ann"), "ann"),
    ...restart(chance.fork("ben"), "ben"),
    ...Fault.storm(chance.fork("storm"), { fromMs: 0, toMs: PLAY_MS }, { strength: 0.3 })
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [owner, heir, robber, ann, ben, late] = yield* Actors.people(world, [
      "owner",
      "heir",
      "robber",
      "ann",
      "ben",
      "late"
    ])
    const stolen = owner!.keyPair
    /** The thief at his machine, with the key that is not his. `robber` is who he is with his own. */
    const thief = new Actors.Person(world, robber!.host, stolen)
    const name = PackageName.make(NAME)
    const witness = new Witness()
    const is = (self: PublicKey.PublicKey, that: Actors.Person) => PublicKey.equals(self, that.publicKey)

    const update = (user: Actors.Person) =>
      witness
        .judged(
          user.resolve(NAME),
          () => hasTombstone(user.host, stolen.publicKey),
          ({ publisher, release }, wasRevoked) => {
            if (is(publisher, owner!) && wasRevoked) {
              witness.object(`${user.host.name} took ${release.v} from a key that it has seen revoked`)
            }
            witness.count(is(publisher, owner!) ? "taken from the stolen key" : "taken from another key")
            if (is(publisher, owner!) && release.v.endsWith(".6.6")) witness.count("thief's releases taken")
          }
        )
        .pipe(
          Effect.tapError((error) =>
            Effect.sync(() => (isFailure("PublisherRevoked")(error) ? witness.count("refused") : undefined))
          )
        )

    /** Signs a record of the package with the last number there is, over whatever is there. */
    const fastForward = thief.host.run(
      Effect.gen(function* () {
        const dht = yield* Dht
        const salt = KeyString.saltOf(KeyString.packageOf(name))
        const current = yield* Effect.fromOption(yield* dht.get(stolen.publicKey, salt))
        const says = Result.getOrThrow(PackageRecord.decode(current.value))
        const v = Version.make("6.6.6")
        const value = PackageRecord.toBytes({
          ...says,
          l: { ...says.l, v, h: sha256(says.l.h) },
          vs: [[v, 0], ...says.vs],
          c: says.c + 1
        })
        yield* dht.put(Record.sign(stolen, { salt, seq: Record.SEQ_MAX - chance.below(2), value }))
        witness.count("fast-forwarded")
      })
    )
    const robberRevokes = thief.host.run(
      Revocation.revoke(stolen, {
        reason: Revocation.Reason.make("moved to a new key"),
        successor: robber!.publicKey
      })
    )
    const ownerRevokes = owner!.host.run(
      Revocation.revoke(stolen, { reason: Revocation.Reason.make("stolen"), successor: heir!.publicKey })
    )

    yield* owner!.publish({ name: NAME, version: OLD })
    owner!.keepAlive()
    yield* ann!.install(NAME)
    yield* ben!.install(NAME)

    const heirs = heir!.publish({ name: NAME, version: NEW })
    const thefts = [
      {
        atMs: chance.between(THEFT_MS, REVOKED_MS),
        title: `the thief publishes ${NAME}@1.6.6 with the stolen key`,
        run: thief.publish({ name: NAME, version: "1.6.6" })
      },
      { atMs: chance.between(THEFT_MS, PLAY_MS), title: "the thief takes the last sequence number", run: fastForward },
      {
        atMs: chance.between(THEFT_MS, PLAY_MS),
        title: `the thief publishes ${NAME}@1.0.0 with other content`,
        run: thief.publish({ name: NAME, version: OLD }, "stolen")
      },
      {
        atMs: chance.between(THEFT_MS, PLAY_MS),
        title: "the thief revokes the stolen key, and names his own as its successor",
        run: Effect.andThen(robberRevokes, robber!.publish({ name: NAME, version: "6.0.0" }))
      }
    ]

    /** The user reads what the error says, makes sure of the new key, and says that the name means it from now on. */
    const changeOver = Effect.fnUntraced(function* (user: Actors.Person) {
      const host = user.host.name
      if (!world.mayRepin(host, NAME)) {
        const exit = yield* Effect.exit(update(user))
        if (Exit.isSuccess(exit)) return yield* notYet(`${host} has not seen a revocation`)
        const error = Option.getOrUndefined(Exit.findErrorOption(exit))
        if (!isFailure("PublisherRevoked")(error)) return yield* Effect.failCause(exit.cause)
        world.repins(host, NAME, heir!.publicKey)
      }
      yield* user.host.run(Pins.pin(name, heir!.publicKey))
      const { publisher, release } = yield* user.install(NAME)
      if (!is(publisher, heir!) || release.v !== NEW) return yield* notYet(`${host} gets ${release.v}`)
    })
    const looks = (user: Actors.Person, from: number, to: number) => ({
      atMs: chance.between(from, to),
      title: `${user.host.name} updates ${NAME}`,
      run: update(user)
    })
    return {
      laws: [witness.law("nobody takes anything from a key that was seen revoked")],
      steps: [
        ...chance.sample(thefts, chance.between(1, thefts.length)),
        {
          atMs: REVOKED_MS,
          title: "the owner revokes the stolen key, and names the new one",
          run: ownerRevokes
        },
        { atMs: REVOKED_MS + chance.below(10 * MINUTE), title: `heir publishes ${NAME}@${NEW}`, run: heirs },
        {
          // Who has the last number in his way is told so, and whoever has revoked his key that he has.
          atMs: chance.between(THEFT_MS, PLAY_MS),
          title: `owner publishes ${NAME}@1.1.0 with the stolen key`,
          run: owner!
            .publish({ name: NAME, version: "1.1.0" })
            .pipe(
              Effect.tapError((error) =>
                Effect.sync(() =>
                  isFailure("SequenceExhausted")(error) ? witness.count("numbers used up") : undefined
                )
              )
            )
        },
        ...[ann!, ben!].flatMap((user) => [
          looks(user, 0, REVOKED_MS),
          looks(user, THEFT_MS, REVOKED_MS),
          looks(user, REVOKED_MS, PLAY_MS),
          looks(user, REVOKED_MS, PLAY_MS)
        ]),
        looks(late!, THEFT_MS, PLAY_MS)
      ],
      goals: [
        { title: "the owner revokes the stolen key, in the end", reach: ownerRevokes },
        { title: `heir publishes ${NAME}@${NEW}, in the end`, reach: heirs },
        ...[ann!, ben!].map((user) => ({
          title: `${user.host.name} is told, and gets ${NEW} from the new key after saying so`,
          reach: changeOver(user)
        })),
        {
          title: `late gets ${NEW} from the new key`,
          reach: Effect.gen(function* () {
            const { publisher, release } = yield* late!.resolve(NAME, "latest", { publisher: heir!.publicKey })
            if (!is(publisher, heir!) || release.v !== NEW) return yield* notYet(`late gets ${release.v}`)
          })
        }
      ],
      figures: () =>
        witness.figures([
          "taken from the stolen key",
          "thief's releases taken",
          "taken from another key",
          "refused",
          "fast-forwarded",
          "numbers used up"
        ])
    }
  })
})
