// Greets by name. `MANIFEST` is the text of plugin.json: `cardine plugin build` puts it before this file.

const functions_ = {
  greet(input) {
    return { text: `Hello, ${input.name}!` };
  },
};

// How a call did not succeed is thrown: see `plugin-error` in wit/cardine-plugin.wit.
function call(name, input) {
  const chosen = functions_[name];
  if (!chosen) throw { tag: "not-found", val: `there is no function \`${name}\`` };
  try {
    return JSON.stringify(chosen(JSON.parse(input)));
  } catch (error) {
    if (error && error.tag) throw error;
    throw { tag: "failed", val: `${error}\n${error && error.stack}` };
  }
}

export const lifecycle = {
  describe: () => MANIFEST,
  notify: () => {},
};

export const functions = {
  invoke: (context, name, input) => call(name, input),
  invokeBatch: (context, name, inputs) =>
    inputs.map((input) => {
      try {
        return { tag: "ok", val: call(name, input) };
      } catch (error) {
        return { tag: "err", val: error };
      }
    }),
};
