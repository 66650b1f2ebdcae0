using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace FastExit.SelfDescription;

/// <summary>
/// Closes a connection at once when its address has too many open ones already, so that one slow client does not take the places of all
/// others. Addresses are forgotten with their connections. Loopback is exempt: a reverse proxy speaks for everybody.
/// </summary>
internal sealed class AddressShare(int maximum)
{
    private readonly ConcurrentDictionary<UInt128, int> _open = new();

    /// <summary>Addresses with open connections.</summary>
    public int Addresses => _open.Count;

    public async Task RunAsync(ConnectionContext connection, Func<Task> next)
    {
        if (connection.RemoteEndPoint is not IPEndPoint remote || IPAddress.IsLoopback(remote.Address))
        {
            await next().ConfigureAwait(false);
            return;
        }

        var network = Network(remote.Address);
        if (!TryEnter(network))
        {
            connection.Abort();
            return;
        }

        try
        {
            await next().ConfigureAwait(false);
        }
        finally
        {
            Leave(network);
        }
    }

    public bool TryEnter(UInt128 network)
    {
        if (_open.AddOrUpdate(network, 1, (_, count) => count + 1) <= maximum)
            return true;
        Leave(network);
        return false;
    }

    public void Leave(UInt128 network)
    {
        var left = _open.AddOrUpdate(network, 0, (_, count) => count - 1);
        if (left <= 0)
            _open.TryRemove(new KeyValuePair<UInt128, int>(network, left));
    }

    /// <summary>An IPv4 address, or the /64 that one IPv6 customer has.</summary>
    public static UInt128 Network(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.MapToIPv6().TryWriteBytes(bytes, out _);
        var whole = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        return whole >> 32 == 0xffff ? whole : whole >> 64 << 64;
    }
}
