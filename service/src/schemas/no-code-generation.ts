/**
 * Turns code generation from strings off in this thread. The flag of V8 for that is one of the whole process and a
 * worker refuses it, so the ways to it are closed one by one. Import it before anything else.
 */
function refuse (): never {
  throw new EvalError('code generation from strings is off in this thread')
}

const functions = [() => {}, async () => {}, function * () {}, async function * () {}]
for (const each of functions) {
  const prototype: unknown = Object.getPrototypeOf(each)
  Object.defineProperty(prototype, 'constructor', { value: refuse, writable: false, configurable: false })
}
// `instanceof Function` goes on working.
Object.defineProperty(refuse, 'prototype', { value: Function.prototype })
Object.defineProperty(globalThis, 'Function', { value: refuse, writable: false, configurable: false })
Object.defineProperty(globalThis, 'eval', { value: refuse, writable: false, configurable: false })
