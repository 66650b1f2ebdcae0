using System.Buffers.Binary;
using System.Text;
using FastExit.Serialization;

namespace FastExit.NetworkRequester.Protocol;

/// <summary>
/// Writes responses (layouts: <see cref="Response"/>). Every method returns false, with nothing promised about the destination, when
/// it is too small. Query answers always take the full form of version 3: the reference's answer to a legacy query
/// (<c>03 03 …</c>) is one that no client can read (network-requester.md §2.6).
/// </summary>
public static class ResponseWriter
{
    /// <summary>The header of a NetworkData; the payload follows it and may already lie there.</summary>
    public static bool TryWriteNetworkDataHeader(
        Span<byte> destination, MessageForm form, ulong connectionId, ulong sequence, bool closed, out int bytesWritten)
    {
        bytesWritten = MessageSizes.NetworkDataHeaderBytes(form);
        if (destination.Length < bytesWritten)
        {
            bytesWritten = 0;
            return false;
        }

        WritePrefix(destination, form, flag: 1);
        Span<byte> body = destination[MessageSizes.ResponsePrefixBytes(form)..];
        body[0] = closed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64BigEndian(body[1..], connectionId);
        BinaryPrimitives.WriteUInt64BigEndian(body[9..], sequence);
        return true;
    }

    public static bool TryWriteNetworkData(
        Span<byte> destination,
        MessageForm form,
        ulong connectionId,
        ulong sequence,
        bool closed,
        ReadOnlySpan<byte> payload,
        out int bytesWritten)
    {
        if (!TryWriteNetworkDataHeader(destination, form, connectionId, sequence, closed, out bytesWritten)
            || !payload.TryCopyTo(destination[bytesWritten..]))
        {
            bytesWritten = 0;
            return false;
        }

        bytesWritten += payload.Length;
        return true;
    }

    /// <param name="text">UTF-8.</param>
    public static bool TryWriteConnectionError(
        Span<byte> destination, MessageForm form, ulong connectionId, ReadOnlySpan<byte> text, out int bytesWritten)
    {
        int prefix = MessageSizes.ResponsePrefixBytes(form);
        bytesWritten = prefix + 8 + text.Length;
        if (destination.Length < bytesWritten)
        {
            bytesWritten = 0;
            return false;
        }

        WritePrefix(destination, form, flag: 2);
        BinaryPrimitives.WriteUInt64BigEndian(destination[prefix..], connectionId);
        text.CopyTo(destination[(prefix + 8)..]);
        return true;
    }

    /// <param name="json">Empty for Health, else UTF-8 JSON.</param>
    public static bool TryWriteControl(
        Span<byte> destination, ControlKind control, ReadOnlySpan<byte> json, out int bytesWritten)
    {
        bytesWritten = 3 + json.Length;
        if (destination.Length < bytesWritten)
        {
            bytesWritten = 0;
            return false;
        }

        destination[0] = 3;
        destination[1] = 0;
        destination[2] = (byte)control;
        json.CopyTo(destination[3..]);
        return true;
    }

    public static bool TryWriteOpenProxy(Span<byte> destination, bool openProxy, out int bytesWritten)
    {
        bytesWritten = 0;
        return TryBeginQuery(destination, QueryKind.OpenProxy, out BincodeWriter writer)
            && writer.TryWriteBool(openProxy) && Finish(writer, out bytesWritten);
    }

    public static bool TryWriteDescription(Span<byte> destination, ReadOnlySpan<byte> description, out int bytesWritten)
    {
        bytesWritten = 0;
        return TryBeginQuery(destination, QueryKind.Description, out BincodeWriter writer)
            && writer.TryWriteString(description) && Finish(writer, out bytesWritten);
    }

    public static bool TryWriteQueryError(Span<byte> destination, ReadOnlySpan<byte> error, out int bytesWritten)
    {
        bytesWritten = 0;
        return TryBeginQuery(destination, QueryKind.Error, out BincodeWriter writer)
            && writer.TryWriteString(error) && Finish(writer, out bytesWritten);
    }

    /// <summary>Control plane: allocates while it encodes the rules' text.</summary>
    /// <param name="rules">Null: no policy is given.</param>
    public static bool TryWriteExitPolicy(
        Span<byte> destination, bool enabled, string upstream, IReadOnlyList<ExitPolicyEntry>? rules, out int bytesWritten)
    {
        bytesWritten = 0;
        if (!TryBeginQuery(destination, QueryKind.ExitPolicy, out BincodeWriter writer)
            || !writer.TryWriteBool(enabled) || !writer.TryWriteString(Encoding.UTF8.GetBytes(upstream))
            || !writer.TryWriteBool(rules is not null))
        {
            return false;
        }

        if (rules is not null)
        {
            if (!writer.TryWriteVarint((ulong)rules.Count))
                return false;
            foreach (ExitPolicyEntry rule in rules)
            {
                if (!writer.TryWriteVarint((ulong)rule.Action) || !writer.TryWriteString(Encoding.UTF8.GetBytes(rule.Pattern))
                    || !writer.TryWriteVarint(rule.FirstPort) || !writer.TryWriteVarint(rule.LastPort))
                {
                    return false;
                }
            }
        }

        return Finish(writer, out bytesWritten);
    }

    private static bool TryBeginQuery(Span<byte> destination, QueryKind kind, out BincodeWriter writer)
    {
        const int prefixBytes = 4;
        writer = default;
        if (destination.Length < prefixBytes)
            return false;
        WritePrefix(destination, MessageForm.Version3, flag: 3);
        writer = new BincodeWriter(destination[prefixBytes..]);
        return writer.TryWriteVarint((ulong)kind);
    }

    private static bool Finish(BincodeWriter writer, out int bytesWritten)
    {
        bytesWritten = MessageSizes.ResponsePrefixBytes(MessageForm.Version3) + writer.Written;
        return true;
    }

    private static void WritePrefix(Span<byte> destination, MessageForm form, byte flag)
    {
        int at = 0;
        if (form != MessageForm.Legacy)
        {
            destination[at++] = 3;
            destination[at++] = 1;
        }

        if (form == MessageForm.Version3)
            destination[at++] = 3;
        destination[at] = flag;
    }
}
