using System.Net.NetworkInformation;
using Xunit;

namespace FastExit.Tests.Native;

public sealed class NetworkNamespaceTests
{
    [SkippableFact]
    public void A_namespace_has_its_own_devices_and_a_pair_joins_two()
    {
        NetworkNamespace.Require();
        using NetworkNamespace left = NetworkNamespace.Create();
        using NetworkNamespace right = NetworkNamespace.Create();
        Assert.Equal(["lo"], left.Run(Devices));

        left.Connect(right, "a", "b");
        left.Ip("addr add 192.0.2.1/24 dev a");
        right.Ip("addr add 192.0.2.2/24 dev b");

        Assert.Contains("a", left.Run(Devices));
        Assert.DoesNotContain("b", left.Run(Devices));
        Assert.DoesNotContain("a", Devices());
        using var listener = right.Run(() =>
        {
            var server = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, 0);
            server.Start();
            return server;
        });
        int port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        left.Run(() =>
        {
            using var client = new System.Net.Sockets.TcpClient();
            client.Connect("192.0.2.2", port);
            Assert.True(client.Connected);
        });
    }

    private static string[] Devices() =>
        [.. NetworkInterface.GetAllNetworkInterfaces().Select(device => device.Name).Order()];
}
