"""Greets by name. `manifest.py` holds the text of plugin.json: `cardine plugin build` writes it."""

import json

from componentize_py_types import Err, Ok
from manifest import MANIFEST
from wit_world import exports
from wit_world.imports import types


def greet(data):
    return {"text": f"Hello, {data['name']}!"}


FUNCTIONS = {"greet": greet}


def call(name, text):
    chosen = FUNCTIONS.get(name)
    if chosen is None:
        raise Err(types.PluginError_NotFound(f"there is no function `{name}`"))
    return json.dumps(chosen(json.loads(text)))


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return MANIFEST

    def notify(self, ctx, kind, payload):
        return None


class Functions(exports.Functions):
    def invoke(self, ctx, name, input):
        return call(name, input)

    def invoke_batch(self, ctx, name, inputs):
        answers = []
        for text in inputs:
            try:
                answers.append(Ok(call(name, text)))
            except Err as error:
                answers.append(error)
        return answers
