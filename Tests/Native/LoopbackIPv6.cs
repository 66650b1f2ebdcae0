using System.Net;
using System.Net.Sockets;

namespace FastExit.Tests.Native;

/// <summary>Containers often have no ::1, although their kernel has IPv6; binding tells.</summary>
internal static class LoopbackIPv6
{
    public const string Missing = "this host has no IPv6 loopback address (::1)";

    public static bool IsPresent { get; } = CanBind();

    private static bool CanBind()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
