/**
 * The command tree: what can be typed, and what its help says. Handlers are loaded when they are
 * needed, so that a command pays only for what it uses.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Session from "./Session.ts"
import * as Settings from "./Settings.ts"

const spec = Argument.String("spec").pipe(
  Argument.withDescription("Package name, with a version range if wanted: semver, semver@^7, @scope/name@1.2.3")
)

const choice = {
  publisher: Flag.String("publisher").pipe(
    Flag.withMetavar("key"),
    Flag.withDescription("Take it from this publisher, whoever else uses the name"),
    Flag.optional
  ),
  policy: Flag.String("policy").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("How to choose between publishers of one name: firstSeen or latestVersion"),
    Flag.withDefault("firstSeen")
  )
}

const keyName = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("Name of the key in your keystore"),
    Argument.withDefault("default")
  )

const lazily = <A, E, R>(load: () => Promise<Effect.Effect<A, E, R>>) => Effect.flatten(Effect.promise(load))

/** `onStay` is told when a command has done its work and only waits to be stopped. */
export const make = (onStay: () => void) => {
  const root = Command.make("ls-cli").pipe(
    Command.withSharedFlags(Settings.flags),
    Command.withDescription(
      "Publish, find and install packages without a registry: records in the BitTorrent DHT, packages as torrents."
    )
  )

  const inSession = <A, E, R>(load: () => Promise<Effect.Effect<A, E, R>>) =>
    Effect.flatMap(root, (raw) => lazily(load).pipe(Effect.provide(Session.layer(raw, onStay))))

  const testnet = Command.make(
    "testnet",
    {
      nodes: Flag.Int("nodes").pipe(
        Flag.withMetavar("count"),
        Flag.withDescription("How many DHT nodes (default: 20)"),
        Flag.withDefault(20)
      )
    },
    ({ nodes }) => inSession(() => import("./commands/Testnet.ts").then(({ run }) => run(nodes)))
  ).pipe(
    Command.withDescription(
      "Run a DHT of your own on this machine, to try things out; prints its address and stays up"
    ),
    Command.withExamples([{ command: "ls-cli testnet --nodes 20", description: "Twenty nodes on 127.0.0.1" }])
  )

  const keys = Command.make("keys").pipe(
    Command.withDescription("Make and show your keys"),
    Command.withSubcommands([
      Command.make("new", { name: keyName("name") }, ({ name }) =>
        inSession(() => import("./commands/Keys.ts").then(({ create }) => create(name)))
      ).pipe(Command.withDescription("Make a key; it is your identity as a publisher")),
      Command.make("list", {}, () => inSession(() => import("./commands/Keys.ts").then(({ list }) => list))).pipe(
        Command.withDescription("List your keys")
      ),
      Command.make("show", { name: keyName("name") }, ({ name }) =>
        inSession(() => import("./commands/Keys.ts").then(({ show }) => show(name)))
      ).pipe(Command.withDescription("Show a public key in its three spellings"))
    ])
  )

  const publish = Command.make(
    "publish",
    {
      path: Argument.String("path").pipe(
        Argument.withDescription("Directory of a package, or a .tgz made by npm pack"),
        Argument.withDefault(".")
      ),
      key: Flag.String("key").pipe(
        Flag.withMetavar("name"),
        Flag.withDescription("Key to publish with (default: default)"),
        Flag.withDefault("default")
      ),
      seed: Flag.Boolean("seed").pipe(
        Flag.withDescription("Stay, and serve the package to others"),
        Flag.withDefault(false)
      )
    },
    ({ key, path, seed }) => inSession(() => import("./commands/Publish.ts").then(({ run }) => run(path, key, seed)))
  ).pipe(
    Command.withDescription("Publish a package under your key"),
    Command.withExamples([
      { command: "ls-cli publish ./my-package --seed", description: "Publish a directory and serve it" },
      { command: "ls-cli publish my-package-1.0.0.tgz", description: "Publish a tarball as it is" }
    ])
  )

  const seed = Command.make("seed", { specs: spec.pipe(Argument.variadic()), ...choice }, ({ specs, ...choice }) =>
    inSession(() => import("./commands/Seed.ts").then(({ run }) => run(specs, choice)))
  ).pipe(
    Command.withDescription(
      "Serve everything in your store, after fetching the packages named, and keep their records alive"
    ),
    Command.withExamples([{ command: "ls-cli seed semver@^7 ms", description: "Fetch two packages and serve them" }])
  )

  const resolve = Command.make("resolve", { spec, ...choice }, ({ spec, ...choice }) =>
    inSession(() => import("./commands/Resolve.ts").then(({ run }) => run(spec, choice)))
  ).pipe(Command.withDescription("Show which release an install would take"))

  const query = Command.make(
    "query",
    {
      name: Argument.String("name").pipe(Argument.withDescription("Package name")),
      policy: choice.policy
    },
    ({ name, policy }) => inSession(() => import("./commands/Query.ts").then(({ run }) => run(name, policy)))
  ).pipe(Command.withDescription("Show who publishes a name"))

  const install = Command.make(
    "install",
    {
      specs: spec.pipe(Argument.variadic({ min: 1 })),
      dir: Flag.String("dir").pipe(
        Flag.withMetavar("directory"),
        Flag.withDescription("Project to install into (default: the current directory)"),
        Flag.withDefault(".")
      ),
      ...choice
    },
    ({ dir, specs, ...choice }) =>
      inSession(() => import("./commands/Install.ts").then(({ run }) => run(specs, dir, choice)))
  ).pipe(
    Command.withDescription("Find, verify and install packages into a project's node_modules"),
    Command.withExamples([
      { command: "ls-cli install semver@^7 ms --dir ./app", description: "Two packages into ./app" }
    ])
  )

  return root.pipe(Command.withSubcommands([testnet, keys, publish, seed, resolve, query, install]))
}
