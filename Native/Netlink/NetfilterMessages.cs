using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace FastExit.Native.Netlink;

/// <summary>Numbers and messages of nf_tables over netlink (<c>linux/netfilter/nf_tables.h</c>,
/// <c>nfnetlink.h</c>); numbers in attributes are in network order.</summary>
internal static class NetfilterMessages
{
    public const int Protocol = 12;
    public const int FamilyHeaderBytes = 4;
    public const byte InetFamily = 1;

    public const ushort BatchBegin = 16;
    public const ushort BatchEnd = 17;

    private const ushort Subsystem = 10;
    public const ushort NewTable = (Subsystem << 8) | 0;
    public const ushort GetTable = (Subsystem << 8) | 1;
    public const ushort DeleteTable = (Subsystem << 8) | 2;
    public const ushort NewChain = (Subsystem << 8) | 3;
    public const ushort GetChain = (Subsystem << 8) | 4;
    public const ushort NewRule = (Subsystem << 8) | 6;

    public const uint OwnerFlag = 2;
    public const uint ForwardHook = 2;
    public const uint PostroutingHook = 4;
    public const uint Drop = 0;
    public const uint Accept = 1;

    public const ushort TableName = 1;
    private const ushort TableFlags = 2;
    public const ushort ChainTable = 1;
    public const ushort ChainName = 3;
    public const ushort ChainHook = 4;
    public const ushort ChainPolicy = 5;
    private const ushort ChainType = 7;
    public const ushort HookNumber = 1;
    private const ushort HookPriority = 2;

    public static void FamilyHeader(ref NetlinkMessageWriter writer, byte family, ushort resource = 0)
    {
        Span<byte> header = writer.Take(FamilyHeaderBytes);
        header[0] = family;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], resource);
    }

    public static void Batch(ref NetlinkMessageWriter writer, ushort type, uint sequence)
    {
        writer.Begin(type, NetlinkFlags.Request, sequence);
        FamilyHeader(ref writer, 0, Subsystem);
        writer.End();
    }

    public static void Table(
        ref NetlinkMessageWriter writer, ushort type, NetlinkFlags flags, uint sequence, string table, uint tableFlags)
    {
        writer.Begin(type, NetlinkFlags.Request | NetlinkFlags.Acknowledge | flags, sequence);
        FamilyHeader(ref writer, InetFamily);
        writer.Text(TableName, table);
        if (tableFlags != 0)
            writer.BigEndian(TableFlags, tableFlags);
        writer.End();
    }

    /// <summary>A base chain with policy accept: it decides nothing that its rules do not name.</summary>
    public static void BaseChain(ref NetlinkMessageWriter writer, uint sequence, string table, ChainPlace place)
    {
        writer.Begin(NewChain, NetlinkFlags.Request | NetlinkFlags.Acknowledge | NetlinkFlags.Create, sequence);
        FamilyHeader(ref writer, InetFamily);
        writer.Text(ChainTable, table);
        writer.Text(ChainName, place.Name);
        int hook = writer.BeginNest(ChainHook);
        writer.BigEndian(HookNumber, place.Hook);
        writer.BigEndian(HookPriority, (uint)place.Priority);
        writer.EndNest(hook);
        writer.BigEndian(ChainPolicy, Accept);
        writer.Text(ChainType, place.Type);
        writer.End();
    }

    /// <summary>Reads an answer to <see cref="GetChain"/>: false unless it is a base chain on the forward hook of IPv4,
    /// IPv6 or both that drops what no rule decides.</summary>
    public static bool TryReadDroppingForward(NetlinkMessage message, out string table, out string chain)
    {
        table = chain = "";
        if (message.Type != NewChain || message.Body.Length < FamilyHeaderBytes
            || message.Body[0] is not (InetFamily or RouteMessages.InetFamily or RouteMessages.Inet6Family))
            return false;
        uint hook = uint.MaxValue;
        uint policy = Accept;
        NetlinkAttributes attributes = message.Attributes(FamilyHeaderBytes);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case ChainTable:
                    table = NetlinkAttributes.Text(value);
                    break;
                case ChainName:
                    chain = NetlinkAttributes.Text(value);
                    break;
                case ChainPolicy when value.Length >= 4:
                    policy = NetlinkAttributes.BigEndian(value);
                    break;
                case ChainHook:
                    hook = ReadHook(value);
                    break;
            }
        }

        table = $"{FamilyName(message.Body[0])} {table}";
        return hook == ForwardHook && policy == Drop;
    }

    private static uint ReadHook(ReadOnlySpan<byte> nest)
    {
        var attributes = new NetlinkAttributes(nest);
        while (attributes.TryNext(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == HookNumber && value.Length >= 4)
                return NetlinkAttributes.BigEndian(value);
        }

        return uint.MaxValue;
    }

    private static string FamilyName(byte family) => family switch
    {
        InetFamily => "inet",
        RouteMessages.Inet6Family => "ip6",
        _ => "ip",
    };
}

/// <summary>Where a base chain hangs.</summary>
internal readonly record struct ChainPlace(string Name, string Type, uint Hook, int Priority)
{
    public static ChainPlace Postrouting { get; } =
        new("postrouting", "nat", NetfilterMessages.PostroutingHook, 100);

    public static ChainPlace Forward { get; } = new("forward", "filter", NetfilterMessages.ForwardHook, 0);
}
