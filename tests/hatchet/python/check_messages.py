#!/usr/bin/env python3
"""Are the messages of proto/hatchet those of the pinned SDK?

Each message that the SDK knows must be ours too, by name, and each of its fields by number, type
and label; each number of its enums must be one of ours. Ours may have more: newer servers and
SDKs add fields. Prints a line for each message that differs, and "N passed, N failed".
"""
import importlib
import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[3]
THEIRS = ("v1.shared.condition_pb2", "v1.shared.trigger_pb2", "dispatcher_pb2", "v1.dispatcher_pb2",
          "v1.workflows_pb2", "events_pb2", "workflows_pb2")

# What nobody sends, nor asks for.
LEFT_OUT = {"GroupKeyActionEvent", "OverridesData", "OverridesDataResponse", "ListWorkflowsRequest",
            "WorkflowTriggerEventRef", "WorkflowTriggerCronRef"}
# Names are not on the wire; where ours is another one.
ENUMS = {"SDKS": "SdkLanguage", "Action": "ConditionAction"}
LEFT_OUT_ENUMS = {"GroupKeyActionEventType"}


def short(name):
    return name.rsplit(".", 1)[-1]


def our_files():
    """proto/hatchet, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "ours"
        sources = [str(path) for path in sorted((ROOT / "proto/hatchet").glob("*.proto"))]
        arguments = ["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}", *sources]
        if protoc.main(arguments) != 0:
            sys.exit("check_messages: proto/hatchet does not compile")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file


def their_files():
    for name in THEIRS:
        yield importlib.import_module(f"hatchet_sdk.contracts.{name}").DESCRIPTOR


def field_ours(field):
    """What of a field is seen on the wire."""
    kind = short(field.type_name) if field.type_name else ""
    return field.type, field.label == field.LABEL_REPEATED, kind


def field_theirs(field):
    kind = field.message_type or field.enum_type
    name = kind.name if kind else ""
    if field.type == FieldDescriptor.TYPE_ENUM:
        name = ENUMS.get(name, name)
    return field.type, field.is_repeated, name


def with_nested(messages, nested):
    for message in messages:
        yield message
        yield from with_nested(getattr(message, nested), nested)


def message_faults(theirs, ours):
    """ours: a DescriptorProto, or None."""
    if ours is None:
        return ["there is none"]
    known = {field.number: field_ours(field) for field in ours.field}
    return [f"field {field.number} {field.name} is {field_theirs(field)}, "
            f"ours {known.get(field.number)}"
            for field in theirs.fields if known.get(field.number) != field_theirs(field)]


def entry_name(message):
    """Entries of maps have the same name in many messages."""
    parent = message.containing_type
    return f"{parent.name}.{message.name}" if parent else message.name


def our_messages(files):
    table = {}
    for file in files:
        for message in file.message_type:
            table[message.name] = message
            table.update({f"{message.name}.{entry.name}": entry for entry in message.nested_type})
    return table


def checks():
    """(what, faults) of each message and enum of theirs."""
    files = our_files()
    messages = our_messages(files)
    enums = {enum.name: {value.number for value in enum.value}
             for file in files for enum in file.enum_type}
    for file in their_files():
        for message in with_nested(file.message_types_by_name.values(), "nested_types"):
            if message.name not in LEFT_OUT:
                yield message.name, message_faults(message, messages.get(entry_name(message)))
        for enum in file.enum_types_by_name.values():
            if enum.name not in LEFT_OUT_ENUMS:
                missing = {value.number for value in enum.values}
                missing -= enums.get(ENUMS.get(enum.name, enum.name), set())
                yield enum.name, [f"number {number} is none of ours" for number in missing]


def main():
    passed = failed = 0
    for name, faults in checks():
        for fault in faults:
            print(f"{name}: {fault}")
        failed += bool(faults)
        passed += not faults
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
