using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.Native.Sockets;

namespace FastExit.Native.Netlink;

/// <summary>
/// This program's own nftables table, <c>inet fastexit_NAME</c>, made in one transaction over netlink: packets from
/// the pools that leave by any other device are masqueraded; on their way through the host those from the device
/// pass unless the kernel cannot translate them, those to it pass when they belong to a known flow and are dropped when they are new. No other table is
/// written, and the chains' policy is accept, so other traffic is untouched.
/// <para>The kernel removes the table when this socket closes, also at SIGKILL (NFT_TABLE_F_OWNER, Linux 5.12). Where
/// it does not know that, the table stays after a kill and the next <see cref="Install"/> of the name replaces
/// it.</para>
/// <para>An accept here does not overrule a drop elsewhere: every forward chain must let a packet pass.
/// <see cref="Warnings"/> names chains whose policy is drop (those of iptables-legacy cannot be seen); to let the
/// device pass is the operator's to do.</para>
/// </summary>
public sealed class NetfilterTable : IDisposable
{
    private const string Prefix = "fastexit_";

    private readonly NetlinkSocket _socket = new(NetfilterMessages.Protocol, "nftables");
    private readonly NetfilterOptions _options;
    private bool _disposed;

    private NetfilterTable(NetfilterOptions options)
    {
        _options = options;
        TableName = Prefix + options.Name;
    }

    public string TableName { get; }

    /// <summary>The kernel removes the table with the process.</summary>
    public bool IsOwned { get; private set; }

    /// <summary>Forward chains of others that drop what no rule decides, a sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <exception cref="NativeException">EPERM: no CAP_NET_ADMIN, or a live process owns a table of that name.
    /// ENOENT, EOPNOTSUPP: the kernel lacks a part.</exception>
    public static NetfilterTable Install(NetfilterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        var table = new NetfilterTable(options);
        try
        {
            int error = table.TryReplace(options.Owned, out string? text);
            if (options.Owned && error is Errno.EOPNOTSUPP or Errno.EINVAL)
                error = table.TryReplace(owned: false, out text);
            if (error != 0)
                throw table.Failure(error, text);
            table.Warnings = FindDroppingChains(table._socket, options.Device);
            return table;
        }
        catch
        {
            table._socket.Dispose();
            throw;
        }
    }

    /// <summary>What <see cref="Warnings"/> says, without a table of one's own.</summary>
    /// <exception cref="NativeException">EPERM: no CAP_NET_ADMIN.</exception>
    public static IReadOnlyList<string> DroppingChains(string device)
    {
        using var socket = new NetlinkSocket(NetfilterMessages.Protocol, "nftables");
        return FindDroppingChains(socket, device);
    }

    /// <summary>Whether the table is there now.</summary>
    public bool Exists()
    {
        var writer = new NetlinkMessageWriter(new byte[256]);
        NetfilterMessages.Table(
            ref writer, NetfilterMessages.GetTable, NetlinkFlags.None, _socket.NextSequence(), TableName, 0);
        return _socket.TryRequest(writer.Written, $"looking up table {TableName}", out _) == 0;
    }

    /// <summary>Deletes the table, if it is still there.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        var writer = new NetlinkMessageWriter(new byte[512]);
        NetfilterMessages.Batch(ref writer, NetfilterMessages.BatchBegin, _socket.NextSequence());
        uint sequence = _socket.NextSequence();
        NetfilterMessages.Table(
            ref writer, NetfilterMessages.DeleteTable, NetlinkFlags.None, sequence, TableName, 0);
        NetfilterMessages.Batch(ref writer, NetfilterMessages.BatchEnd, _socket.NextSequence());
        try
        {
            _ = Commit(writer.Written, sequence, out _);
        }
        catch (NativeException)
        {
            // Closing the socket removes an owned table anyway; one that is not owned is replaced at the next start.
        }

        _socket.Dispose();
    }

    private static void Check(NetfilterOptions options)
    {
        bool name = options.Name.Length is > 0 and <= 64
            && options.Name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_');
        if (!name)
            throw new ArgumentException("A table name has letters, digits and _ only", nameof(options));
        if (Encoding.UTF8.GetByteCount(options.Device) is 0 or > 15)
            throw new ArgumentException("A device name has 1 to 15 bytes", nameof(options));
        if (options.PoolIPv4 is { } v4 && v4.BaseAddress.AddressFamily != AddressFamily.InterNetwork)
            throw new ArgumentException("The IPv4 pool is not IPv4", nameof(options));
        if (options.PoolIPv6 is { } v6 && v6.BaseAddress.AddressFamily != AddressFamily.InterNetworkV6)
            throw new ArgumentException("The IPv6 pool is not IPv6", nameof(options));
    }

    // Add, delete, add: the first makes the deletion succeed whether or not a table was left over.
    private int TryReplace(bool owned, out string? text)
    {
        var writer = new NetlinkMessageWriter(new byte[16384]);
        NetfilterMessages.Batch(ref writer, NetfilterMessages.BatchBegin, _socket.NextSequence());
        NetfilterMessages.Table(ref writer, NetfilterMessages.NewTable, NetlinkFlags.Create, _socket.NextSequence(),
            TableName, 0);
        NetfilterMessages.Table(ref writer, NetfilterMessages.DeleteTable, NetlinkFlags.None, _socket.NextSequence(),
            TableName, 0);
        NetfilterMessages.Table(ref writer, NetfilterMessages.NewTable, NetlinkFlags.Create, _socket.NextSequence(),
            TableName, owned ? NetfilterMessages.OwnerFlag : 0);
        NetfilterMessages.BaseChain(ref writer, _socket.NextSequence(), TableName, ChainPlace.Postrouting);
        NetfilterMessages.BaseChain(ref writer, _socket.NextSequence(), TableName, ChainPlace.Forward);
        uint last = WriteRules(ref writer);
        NetfilterMessages.Batch(ref writer, NetfilterMessages.BatchEnd, _socket.NextSequence());
        int error = Commit(writer.Written, last, out text);
        IsOwned = owned && error == 0;
        return error;
    }

    private uint WriteRules(ref NetlinkMessageWriter writer)
    {
        string device = _options.Device;
        foreach (IPNetwork? pool in new[] { _options.PoolIPv4, _options.PoolIPv6 })
        {
            if (pool is null)
                continue;
            NetfilterRule hide = Rule(writer, ChainPlace.Postrouting);
            hide.Source(pool.Value);
            hide.NotTo(device);
            writer = hide.Masquerade();
        }

        if (_options.DropDeviceToDevice)
        {
            NetfilterRule between = Rule(writer, ChainPlace.Forward);
            between.From(device);
            between.To(device);
            writer = between.Verdict(NetfilterMessages.Drop);
        }

        NetfilterRule outward = Rule(writer, ChainPlace.Forward);
        outward.From(device);
        outward.Tracked();
        writer = outward.Verdict(NetfilterMessages.Accept);

        // What the kernel cannot follow it does not translate: it would leave with the address inside the tunnel.
        NetfilterRule untranslated = Rule(writer, ChainPlace.Forward);
        untranslated.From(device);
        writer = untranslated.Verdict(NetfilterMessages.Drop);
        NetfilterRule back = Rule(writer, ChainPlace.Forward);
        back.To(device);
        back.EstablishedOrRelated();
        writer = back.Verdict(NetfilterMessages.Accept);
        uint last = _socket.NextSequence();
        var inward = new NetfilterRule(writer, last, TableName, ChainPlace.Forward.Name);
        inward.To(device);
        writer = inward.Verdict(NetfilterMessages.Drop);
        return last;
    }

    private NetfilterRule Rule(NetlinkMessageWriter writer, ChainPlace place) =>
        new(writer, _socket.NextSequence(), TableName, place.Name);

    // A transaction is done when its last message is acknowledged, or undone when any is refused.
    private int Commit(ReadOnlySpan<byte> batch, uint last, out string? text)
    {
        string operation = $"writing nftables table {TableName}";
        _socket.Send(batch, operation);
        while (true)
        {
            ReadOnlySpan<byte> datagram = _socket.Receive(operation);
            while (NetlinkMessage.TryRead(ref datagram, out NetlinkMessage answer))
            {
                if (!answer.TryReadError(out int error, out text))
                    continue;
                if (error != 0)
                {
                    // Later messages were refused too; their answers are of no use to the next request.
                    while (_socket.TryReceiveNow(out _) > 0)
                    {
                    }

                    return error;
                }

                if (answer.Sequence == last)
                    return 0;
            }
        }
    }

    private static List<string> FindDroppingChains(NetlinkSocket socket, string device)
    {
        var warnings = new List<string>();
        var writer = new NetlinkMessageWriter(new byte[64]);
        writer.Begin(
            NetfilterMessages.GetChain, NetlinkFlags.Request | NetlinkFlags.Dump, socket.NextSequence());
        NetfilterMessages.FamilyHeader(ref writer, 0);
        writer.End();
        socket.Dump(writer.Written, "listing nftables chains", message =>
        {
            if (NetfilterMessages.TryReadDroppingForward(message, out string table, out string chain))
            {
                warnings.Add(
                    $"Chain {chain} of nftables table {table} drops forwarded packets that none of its rules accepts:"
                    + $" let {device} pass there (iifname and oifname), or tunnelled traffic goes nowhere.");
            }
        });
        return warnings;
    }

    private NativeException Failure(int error, string? text)
    {
        string operation = $"creating nftables table inet {TableName}";
        if (text is not null)
            operation += $" (the kernel says: {text})";
        return new NativeException(operation, error, error switch
        {
            Errno.EPERM =>
                "It needs CAP_NET_ADMIN (AmbientCapabilities=CAP_NET_ADMIN in the service unit); with that, another"
                + " running process owns a table of this name: stop it or choose another name.",
            Errno.ENOENT or Errno.EOPNOTSUPP or Errno.EAFNOSUPPORT =>
                "The kernel lacks a part of nftables: `modprobe -a nf_tables nft_chain_nat nft_masq nft_ct`.",
            _ => null,
        });
    }
}
