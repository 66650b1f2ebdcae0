using System.IO.Pipelines;
using FastExit.Bench.Client;

namespace FastExit.Bench.Figures;

/// <summary>Moves bytes between a client engine and a <see cref="ByteServer"/> through the whole mixnet.</summary>
internal static class Transfer
{
    private const int MessageBytes = 1560;

    public static async Task DownloadAsync(ClientEngine engine, ByteServer server, long bytes)
    {
        ProxyConnection connection = engine.Open(server.SourceAddress.ToString());
        await connection.SendAsync(BitConverter.GetBytes(bytes)).ConfigureAwait(false);
        long received = await DrainAsync(connection).ConfigureAwait(false);
        connection.Close();
        if (received != bytes)
            throw new Lab.LabException($"{received} of {bytes} bytes arrived");
    }

    public static async Task UploadAsync(ClientEngine engine, ByteServer server, long bytes)
    {
        ProxyConnection connection = engine.Open(server.SinkAddress.ToString());
        for (long left = bytes; left > 0; left -= MessageBytes)
            await connection.SendAsync(new byte[(int)Math.Min(MessageBytes, left)]).ConfigureAwait(false);
        connection.CompleteSending();
        long received = await DrainAsync(connection).ConfigureAwait(false);
        connection.Close();
        if (received != 1)
            throw new Lab.LabException("the upload was not acknowledged");
    }

    private static async Task<long> DrainAsync(ProxyConnection connection)
    {
        long received = 0;
        while (true)
        {
            ReadResult result = await connection.Input.ReadAsync().ConfigureAwait(false);
            received += result.Buffer.Length;
            connection.Consumed((int)result.Buffer.Length);
            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                return received;
        }
    }
}
