/** The program of a `StoreThread`. What it needs is loaded from the code cache, which every thread has to turn on for itself. */
import * as Module from "node:module"

Module.enableCompileCache?.()
const { work } = await import("./StoreWork.ts")
work()
