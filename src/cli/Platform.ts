/**
 * What the command line is given of Node. It asks for more than nearly every command uses: the
 * keyboard for `--wizard`, and processes that nothing here starts. Those are loaded when they are used,
 * because every command waits for what is loaded before it begins.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Terminal from "effect/Terminal"
import * as QuickFileSystem from "../runtime/QuickFileSystem.ts"

const terminal = Layer.effect(
  Terminal.Terminal,
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const real = yield* Effect.cached(
      Effect.promise(() => import("@effect/platform-node/NodeTerminal")).pipe(
        Effect.flatMap(({ layer }) => Layer.buildWithScope(layer, scope)),
        Effect.map((context) => Context.get(context, Terminal.Terminal))
      )
    )
    return Terminal.make({
      columns: Effect.flatMap(real, ({ columns }) => columns),
      rows: Effect.flatMap(real, ({ rows }) => rows),
      size: Effect.flatMap(real, ({ size }) => size),
      readInput: Effect.flatMap(real, ({ readInput }) => readInput),
      readLine: Effect.flatMap(real, ({ readLine }) => readLine),
      display: (text) => Effect.flatMap(real, ({ display }) => display(text))
    })
  })
)

const spawner = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const real = yield* Effect.cached(
      Effect.promise(() => import("@effect/platform-node/NodeChildProcessSpawner")).pipe(
        Effect.flatMap(({ layer }) =>
          Layer.buildWithScope(layer.pipe(Layer.provide(NodeFileSystem.layer), Layer.provide(NodePath.layer)), scope)
        ),
        Effect.map((context) => Context.get(context, ChildProcessSpawner.ChildProcessSpawner))
      )
    )
    return ChildProcessSpawner.make((command) => Effect.flatMap(real, ({ spawn }) => spawn(command)))
  })
)

/** As `NodeServices.layer`, with files as commands use them that end. What stays brings its own (`Stores`). */
export const layer = Layer.mergeAll(QuickFileSystem.layer, NodePath.layer, NodeStdio.layer, terminal, spawner)
