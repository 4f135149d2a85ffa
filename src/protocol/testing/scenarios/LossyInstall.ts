/**
 * A tree of dependencies by several publishers is resolved and fetched while up to 30 % of the packets are
 * lost, others come twice, and all are late. What people get is the very tree that was resolved on a
 * calm network, and every package of it is theirs.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as PublicKey from "../../core/PublicKey.ts"
import * as DependencyGraph from "../../registry/DependencyGraph.ts"
import type { Instance } from "../../registry/DependencyLayout.ts"
import { satisfies } from "../../registry/DependencyPeers.ts"
import * as DependencyTree from "../../registry/DependencyTree.ts"
import * as Resolve from "../../registry/Resolve.ts"
import { fetchRelease } from "../../swarm/FetchRelease.ts"
import { PackageStore } from "../../swarm/PackageStore.ts"
import * as Pins from "../../trust/Pins.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE, SECOND, type Step } from "../simulation/Scenario.ts"
import type { World } from "../simulation/World.ts"
import * as Actors from "./Actors.ts"
import * as Expectations from "./Expectations.ts"

const PUBLISHERS = ["pia", "quin", "rob"]
const USERS = ["ann", "ben"]

const PACKAGES_MIN = 8
const PACKAGES_MAX = 15

/** Dependencies of one package. */
const DEPENDENCIES_MAX = 3

/** Versions that a package may have, oldest first. */
const HISTORIES = [["1.0.0"], ["1.0.0", "1.1.0"], ["1.0.0", "2.0.0"]]

const BYTES_MIN = 500
const BYTES_MAX = 40_000

/** Longest download, as for commands. */
const DOWNLOAD_TIMEOUT = "10 minutes"

/** How long the weather is bad; everybody is done long before. */
const BAD_WEATHER_MS = HOUR

/** Times that somebody runs a command in bad weather: what arrived stays, so each gets further than the one before. */
const TRIES = 25

const badWeather = (chance: Chance): ReadonlyArray<Fault.Fault> => {
  const span = { atMs: 0, forMs: BAD_WEATHER_MS }
  return [
    Fault.loss(span, chance.between(15, 30) / 100),
    Fault.replay(span, chance.between(0, 50) / 100),
    ...(chance.is(0.6) ? [Fault.slow(span, chance.between(30, 400), chance.between(500, 5_000))] : [])
  ]
}

const nameOf = (at: number): string => `lib${at}`

const rangeOf = (chance: Chance, versions: ReadonlyArray<string>): string => {
  const version = chance.pick(versions)
  return chance.pick(["*", `^${version}`, `~${version}`, `>=${version}`, version])
}

/** Every release of every package, dependencies before those who need them; now and then a circle of two. */
const draw = (chance: Chance): ReadonlyArray<ReadonlyArray<Actors.Package>> => {
  const histories = Array.from({ length: chance.between(PACKAGES_MIN, PACKAGES_MAX) }, () => chance.pick(HISTORIES))
  const some = (from: number, count: number): { readonly [name: string]: string } =>
    Object.fromEntries(
      chance
        .sample([...histories.keys()].slice(from), count)
        .map((at) => [nameOf(at), rangeOf(chance, histories[at]!)] as const)
    )
  return histories.map((versions, at) =>
    versions.map((version) => ({
      name: nameOf(at),
      version,
      bytes: chance.between(BYTES_MIN, BYTES_MAX),
      dependencies: {
        ...some(at + 1, chance.below(DEPENDENCIES_MAX + 1)),
        ...(at > 0 && chance.is(0.1) ? { [nameOf(at - 1)]: rangeOf(chance, histories[at - 1]!) } : {})
      }
    }))
  )
}

/** As `ls-cli lock` answers: from the registry, each release fetched for its manifest, and pinned. */
const source = DependencyGraph.source({
  resolve: ({ name, range }) => Resolve.resolveByName({ name, range }),
  manifestOf: (choice) =>
    Effect.gen(function* () {
      const { manifest } = yield* fetchRelease(choice, { timeout: DOWNLOAD_TIMEOUT })
      yield* Pins.use(choice.release.n, choice.publisher)
      return manifest
    })
})

const lock = (who: Actors.Person, wishes: DependencyGraph.Wishes) =>
  who.host.run(DependencyTree.resolveTree(wishes, source))

type Tree = DependencyTree.DependencyTree

const lineOf = ({ dependencies, id, package: { choice } }: Instance): string => {
  const seen = [...dependencies].map(([name, other]) => `${name} is ${other}`).toSorted()
  return `${id} ${Hex.encode(choice.release.ih)} by ${PublicKey.toHex(choice.publisher)}: ${seen.join(", ")}`
}

/** A tree as text, the same for the same tree. */
const textOf = ({ instances, project }: Tree): string =>
  [...[...project].map(([name, id]) => `${name} is ${id}`).toSorted(), ...[...instances.values()].map(lineOf)].join(
    "; "
  )

/** Who in a tree, the project too, is given a version that it did not ask for. */
const misfitIn = ({ instances, project }: Tree, wishes: DependencyGraph.Wishes): string | undefined => {
  const given = [
    { id: "the project", edges: DependencyGraph.edgesOf(wishes), dependencies: project },
    ...[...instances.values()].map(({ dependencies, id, package: { edges } }) => ({ id, edges, dependencies }))
  ]
  for (const { dependencies, edges, id } of given) {
    for (const { name, range } of edges) {
      const version = instances.get(dependencies.get(name) ?? "")?.package.choice.release.v
      if (version === undefined || !satisfies(version, range))
        return `${id} asks for ${name}@${range}, and has ${version}`
    }
  }
  return undefined
}

/** What of a tree is not in somebody's store. */
const lackedBy = (who: Actors.Person, { instances }: Tree) =>
  who.host.run(
    Effect.gen(function* () {
      const store = yield* PackageStore
      const lacking = yield* Effect.filter(instances.values(), ({ package: { choice } }) =>
        Effect.map(store.find(choice.publisher, choice.release.n, choice.release.v), Option.isNone)
      )
      return lacking.map(({ id }) => id)
    })
  )

const play = Effect.fnUntraced(function* (world: World) {
  const { chance } = world
  const publishers = yield* Actors.people(world, PUBLISHERS)
  const users = yield* Actors.people(world, USERS)
  const calm = yield* Actors.person(world, "calm")
  const packages = draw(chance)
  for (const [at, releases] of packages.entries()) {
    const publisher = publishers[at % publishers.length]!
    yield* Effect.forEach(releases, (each) => publisher.publish(each), { discard: true })
  }
  const roots = [0, ...chance.sample([...packages.keys()].slice(1), 2)]
  const wishes: DependencyGraph.Wishes = {
    dependencies: Object.fromEntries(
      roots.map((at) => [
        nameOf(at),
        rangeOf(
          chance,
          packages[at]!.map(({ version }) => version)
        )
      ])
    )
  }
  const expected = yield* lock(calm, wishes)
  let problem: string | undefined
  const getting = (user: Actors.Person) =>
    Effect.gen(function* () {
      const tree = yield* lock(user, wishes)
      if (textOf(tree) !== textOf(expected)) problem ??= `${user.host.name} has ${textOf(tree)}`
      problem ??= misfitIn(tree, wishes)
      const lacking = yield* lackedBy(user, tree)
      if (lacking.length > 0) problem ??= `${user.host.name} has a tree without ${lacking.join(", ")}`
    })
  return {
    steps: users.map((user): Step => ({
      atMs: chance.between(SECOND, 5 * MINUTE),
      title: `${user.host.name} locks and fetches ${roots.map(nameOf).join(", ")}`,
      run: Expectations.again(getting(user), TRIES),
      mustSucceed: true
    })),
    laws: [{ title: "every tree is that of a calm network, whole, and of what was asked for", broken: () => problem }],
    goals: users.map((user) => ({ title: `${user.host.name} has the tree`, reach: getting(user) })),
    figures: () => ({ packages: packages.length, instances: expected.instances.size })
  }
})

export const lossyInstall = make({
  name: "lossy-install",
  about: "a tree of dependencies is resolved and fetched with 30 % of the packets lost",
  faults: badWeather,
  play
})
